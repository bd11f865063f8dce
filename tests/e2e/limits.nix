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
  score = build "score" "echo oom_score_adj $(</proc/self/oom_score_adj); echo >\"$out\"";
  sleeps = build "sleeps" "echo started; sleep 1000 & wait";
  naps = build "naps" "echo started; sleep 30; echo >\"$out\"";
  burns = build "burns" "t=$(date +%s); bash -c 'ulimit -t 1; while :; do :; done'; echo it took $(($(date +%s) - t)) s; echo >\"$out\"";
  fillsTmp = build "fills-tmp" "for d in /tmp /dev/shm; do head -c 900000 /dev/zero >$d/x && ! head -c 900000 /dev/zero >$d/y && echo full: $d; done; echo >\"$out\"";
  floods = build "floods" "while :; do echo flood flood flood flood; done";
  bombs = build "bombs" "for i in {1..500}; do sleep 5 & done; wait; exit 1";
  forks = build "forks" "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 2 & done; wait; echo >\"$out\"";
}
