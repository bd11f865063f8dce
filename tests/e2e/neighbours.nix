# Builds that take what they can get, and one that only wants to be built.
{ seed ? "" }:
let
  build = name: script: derivation {
    inherit name seed;
    system = builtins.currentSystem;
    builder = "/bin/bash";
    args = [ "-c" script ];
    PATH = "/usr/bin:/bin";
  };
in
{
  # Ten rounds of work for one processor, each with processes, files and memory of its own.
  neighbour = build "neighbour" ''
    for i in 0 1 2 3 4 5 6 7 8 9; do
      head -c 20000000 /dev/zero | sha256sum >sum-$i && mkdir d-$i && cp sum-$i d-$i/sum || exit 3
      x=$(seq 20000) && (( ''${#x} == 108893 )) || exit 4
    done
    cat d-*/sum >"$out"
  '';
  sleeps = build "sleeps" "sleep 1; echo >$out";
  forkBomb = build "fork-bomb" "(/bin/sh -c 'while :; do (while :; do :; done) & done'); sleep 3; exit 1";
  memoryHog = build "memory-hog" "eat() { x=0123456789; while :; do x=$x$x; done; }; for i in 0 1 2 3 4 5 6 7 8 9; do eat & done; wait; echo >$out";
  diskFiller = build "disk-filler" "for ((i = 0; ; i++)); do head -c 3000000 /dev/zero >f-$i || exit 3; done";
  inodeFiller = build "inode-filler" "for ((i = 0; ; i++)); do : >f-$i || exit 3; done";
  logFlood = build "log-flood" "while :; do echo flood flood flood flood; done";
  # Files that are open are the kernel's memory, which counts.
  descriptorHog = build "descriptor-hog" "hog() { ulimit -n hard; while :; do exec {fd}<>/dev/null || break; done; sleep 5; }; for i in 0 1 2 3 4 5 6 7 8 9; do hog & done; wait; exit 3";
}
