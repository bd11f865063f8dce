# Builds that tell when they ran.
{ seed ? "" }:
let
  build = pname: n: derivation {
    inherit seed pname;
    name = "${pname}-${toString n}.0";
    system = builtins.currentSystem;
    builder = "/bin/bash";
    PATH = "/usr/bin:/bin";
    args = [ "-c" "a=\${EPOCHREALTIME/./}; sleep 1; echo $a \${EPOCHREALTIME/./} >\"$out\"" ];
  };
in
{
  all = [ (build "large" 1) (build "large" 2) (build "small" 3) (build "small" 4) ];
}
