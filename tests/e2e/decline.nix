# What the hook does not build. A name of its own for each, as Nix asks only about what is not there.
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
