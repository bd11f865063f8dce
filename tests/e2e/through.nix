# A derivation of each kind that Nix treats specially when it has a hook. The name is another each
# time, because Nix asks only about derivations whose outputs are not valid yet.
{ name }:
let
  build = attrs: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/bash";
    args = [ "-c" "echo >$out" ];
  } // attrs);
  fixed = {
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
    outputHash = "d8f345f2ca7a246d677fe4bec54b79ddb54e97c02aac9e45a69ec698c717745c"; # of an empty line
  };
in
{
  ordinary = build { };
  local = build { preferLocalBuild = true; };
  fixed = build fixed;
  fixedLocal = build (fixed // { preferLocalBuild = true; });
  declined = build { __noChroot = true; };
}
