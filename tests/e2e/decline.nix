# Derivations that the hook does not build. Each has a name of its own, because Nix asks only about
# derivations whose outputs are not valid yet.
{ seed ? "" }:
let
  build = name: attrs: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/bash";
    args = [ "-c" "echo >$out" ];
  } // attrs);
in
{
  plain = build "plain" { inherit seed; };
  noChroot = build "no-chroot" { __noChroot = true; };
  foreign = build "foreign" { system = "pdp11-linux"; };
  recursive = build "recursive" { requiredSystemFeatures = [ "recursive-nix" ]; };
  feature = build "feature" { requiredSystemFeatures = [ "levitation" ]; };
  twice = build "twice" {
    one = build "one" { system = "pdp11-linux"; };
    two = build "two" { system = "vax-linux"; };
  };
}
