# A closure with each kind of file, for binary caches. `big` is the size in bytes of one of its
# files.
{ big ? 3000000, n ? 20 }:
let
  sh = name: attrs: script: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-e" "-u" "-c" script ];
    PATH = "/usr/bin:/bin";
  } // attrs);
in
rec {
  source = builtins.toFile "source" "a file\n";
  empty = sh "empty" { } ''mkdir "$out"'';
  file = sh "file" { inherit source; } ''echo "$source" >"$out"; chmod 755 "$out"'';
  link = sh "link" { inherit file; } ''ln -s "$file" "$out"'';
  large = sh "large" { inherit big; } ''
    mkdir "$out"
    head -c "$big" /dev/urandom >"$out/random"
    head -c "$big" /dev/zero >"$out/zeros"
  '';
  # A chain, of which each refers to the one before.
  chain = builtins.foldl' (before: i: sh "chain-${toString i}" { inherit before; } ''
    mkdir "$out" && echo "$before" >"$out/before"
  '') empty (builtins.genList (i: i) n);
  all = sh "all" { inherit source empty file link large chain; } ''
    mkdir "$out" "$out/a dir"
    echo "$source $empty $file $link $large $chain $out" >"$out/a dir/references"
    echo '#!/bin/sh' >"$out/run" && chmod 755 "$out/run" && ln -s run "$out/to-run"
  '';
}
