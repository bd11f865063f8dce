# Builds that use more memory or processes than their limits allow.
{ seed ? "" }:
let
  build = name: script: derivation {
    inherit name seed;
    system = builtins.currentSystem;
    builder = "/bin/bash";
    args = [ "-c" script ];
    PATH = "/usr/bin:/bin";
  };
  # The shell doubles a string until nothing is left.
  eat = "x=0123456789; while :; do x=$x$x; done";
in
{
  eats = build "eats" eat;
  # The same after the supervisor has had its look at the builder.
  eatsLater = build "eats-later" "sleep 0.3; ${eat}";
  childEats = build "child-eats" "(${eat}); echo the child ended with $?; exit 3";
  childEatsAndAll = build "child-eats-and-all" "(${eat}); echo >\"$out\"";
  small = build "small" "echo >\"$out\"";
  forks = build "forks" "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 2 & done; wait; echo >\"$out\"";
}
