# Builds that write much.
{ seed ? "" }:
let
  build = name: more: script: derivation ({
    inherit name seed;
    system = builtins.currentSystem;
    builder = "/bin/bash";
    args = [ "-c" script ];
    PATH = "/usr/bin:/bin";
  } // more);
in
{
  # Four MB in its build directory, and an output of three with links, modes and a hole.
  small = build "small" { outputs = [ "out" "dev" ]; } ''
    head -c 4000000 /dev/zero | tr '\0' x >scratch && mkdir -p $out/bin &&
      head -c 3000000 scratch >$out/data && ln $out/data $out/again && ln -s data $out/link &&
      echo '#!/bin/sh' >$out/bin/run && chmod +x $out/bin/run && truncate -s 1M $out/hole && echo $out >$dev
  '';
  fills = build "fills" { } ''
    mkdir -p some more/deep; head -c 1000000 /dev/zero >some/file
    head -c 200000000 /dev/zero | tr '\0' x >more/deep/large
  '';
  fillsOutput = build "fills-output" { } "mkdir -p $out/lib; head -c 200000000 /dev/zero | tr '\\0' x >$out/lib/large";
  fillsByFiles = build "fills-by-files" { } "mkdir d; for ((i = 0; i < 100000; i++)); do echo >d/$i || exit 3; done; echo >$out";
  waits = build "waits" { } "echo begun; sleep 100";
}
