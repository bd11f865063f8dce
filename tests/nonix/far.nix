# A chain of N derivations, each with a source of its own, on top of a fixed-output derivation that
# needs one more derivation.
{
  tools, # a directory with a static busybox
  n ? 50,
}:
let
  busybox = "${
    builtins.path {
      path = tools;
      name = "tools";
    }
  }/busybox";
  run =
    name: attrs:
    derivation (
      {
        inherit name;
        system = builtins.currentSystem;
        builder = busybox;
        args = [ "sh" "-c" "echo $name >$out" ];
      }
      // attrs
    );
  fixed = run "fixed" {
    unneeded = run "unneeded" { };
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = builtins.hashString "sha256" "fixed\n";
  };
in
{
  inherit fixed;
  chain = builtins.foldl' (
    below: i:
    run "chain-${toString i}" {
      inherit below;
      source = builtins.toFile "source-${toString i}" "${toString i}\n";
    }
  ) fixed (builtins.genList (i: i) n);
}
