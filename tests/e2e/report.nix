# Builds whose cost and end are known.
{ seed ? "" }:
let
  build = name: more: script: derivation ({
    inherit name seed;
    system = builtins.currentSystem;
    builder = "/bin/bash";
    args = [ "-c" script ];
    PATH = "/usr/bin:/bin";
  } // more);
  phase = name: "echo '@nix { \"action\": \"setPhase\", \"phase\": \"${name}\" }'";
in
rec {
  plain = build "plain-1.0" { pname = "plain"; version = "1.0"; outputs = [ "out" "dev" ]; }
    "${phase "onePhase"}; sleep 0.5; ${phase "twoPhase"}; echo x >\"$out\"; echo >\"$dev\"";
  # 64 MB of memory for its largest process, and half a second of the processor.
  works = build "works-2" { } ''
    x=$(head -c 64000000 /dev/zero | tr '\0' x); end=$((SECONDS + 1))
    while [ $SECONDS -le $end ]; do :; done
    head -c 3000000 /dev/urandom >"$out"; sync "$out"
  '';
  exits = build "exits-1" { } "echo no line feed at the end | tr -d '\\n'; exit 3";
  # A fault of its own: signals that are sent from inside do not end the first process of a container.
  killed = build "killed-1" { } "exec perl -e 'print unpack \"p\", pack \"L!\", 1'";
  times = build "times-1" { } "sleep 100";
  refused = build "refused-1" { allowedReferences = [ ]; } "echo ${plain} >\"$out\"";
  sleeps = map (n: build "sleeps-${toString n}" { inherit n; } "sleep 1.5; echo >\"$out\"") [ 1 2 ];
  many = builtins.genList (n: build "many-${toString n}" { inherit n; } "echo ${toString n} >\"$out\"") 24;
  waits = build "waits-1" { } "echo begun; while [ ! -e /go/go ]; do sleep 0.1; done; echo >\"$out\"";
}
