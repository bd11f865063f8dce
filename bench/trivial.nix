# N derivations that do next to nothing; others for each SEED.
{ n, seed }:
builtins.genList (i: derivation {
  name = "trivial-${toString i}";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-c" "echo ${seed} >$out" ];
}) n
