# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds that need nothing of the machine: their tools are a static busybox, which is an input.
{
  tools, # a directory with a static busybox
  salt ? "",
}:
let
  busybox = "${dir}/busybox";
  dir = builtins.path {
    path = tools;
    name = "tools";
  };
  run =
    name: attrs: script:
    derivation (
      {
        inherit name salt;
        system = builtins.currentSystem;
        builder = busybox;
        args = [
          "sh"
          "-c"
          "set -e; ${busybox} mkdir /tmp/bin; ${busybox} --install -s /tmp/bin; PATH=/tmp/bin; ${script}"
        ];
      }
      // attrs
    );
in
rec {
  source = builtins.toFile "source" "a source\n";

  # Two levels that no cache has, and one build that uses both.
  lowest = run "lowest" { } ''
    echo "building the lowest"
    mkdir $out
    echo "lowest $salt" >$out/text
    ln -s text $out/link
  '';
  middle = run "middle" { inherit lowest; } ''
    mkdir $out
    echo $lowest >$out/uses
    cat $lowest/text >$out/text
    chmod +x $out/text
  '';
  # Several outputs, of which some refer to others; a source; a fixed input.
  top = run "top" {
    inherit middle lowest source fixed;
    outputs = [
      "out"
      "dev"
      "doc"
    ];
  } ''
    mkdir $out $dev $doc
    echo "building the top"
    cat $middle/text $source $fixed >$out/text
    echo $middle >$out/uses
    echo $out >$dev/out
    echo $out $dev $doc >$doc/all
    head -c 300000 /dev/zero >$doc/zeroes
    id -u >$out/uid
    echo ''${NIX_BUILD_CORES:+cores} $NIX_STORE $TMPDIR >$out/env
    ls -a / >$out/root
  '';
  fixed = run "fixed" {
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = builtins.hashString "sha256" "fixed\n";
  } "echo fixed >$out";

  # ---- what goes wrong ----
  failing = run "failing" { } ''
    echo "this goes wrong"
    mkdir $out
    exit 3
  '';
  above = run "above" { inherit failing; } "mkdir $out";
  beside = run "beside" { inherit lowest; } "mkdir $out";
  both = run "both" { inherit above beside; } "mkdir $out";
  wrongHash = run "wrong-hash" {
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = builtins.hashString "sha256" "something else\n";
  } "echo fixed >$out";
  disallowed = run "disallowed" {
    inherit lowest;
    allowedReferences = [ ];
  } "echo $lowest >$out";
  foreign = run "foreign" { system = "riscv64-linux"; } "mkdir $out";
  # Compressing it takes some seconds.
  large = run "large" { } "head -c 60000000 /dev/urandom >$out";
  slow = run "slow" { inherit lowest; } ''
    echo "slow has begun"
    mkdir $out
    i=0
    while :; do
      i=$((i + 1))
      echo waste >$out/$i
      [ $((i % 500)) != 0 ] || sleep 0.01
    done
  '';
}
