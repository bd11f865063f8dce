# Builds that hold memory for two seconds: two large ones fit beside each other, three do not.
{ seed }:
let
  build = pname: mib: n: derivation {
    inherit pname seed;
    name = "${pname}-${toString n}.0";
    system = builtins.currentSystem;
    builder = "/bin/bash";
    PATH = "/usr/bin:/bin";
    args = [ "-c" ''
      python3 -c 'import time; x = b"x" * (${toString mib} << 20); time.sleep(2)' && echo done >"$out"
    '' ];
  };
  large = builtins.genList (build "large" 250) 4;
  small = builtins.genList (build "small" 50) 2;
  at = builtins.elemAt;
in
{
  inherit small;
  all = large ++ small;
  pair0 = [ (at large 0) (at large 1) ];
  pair1 = [ (at large 2) (at large 3) ];
}
