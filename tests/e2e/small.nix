# Small derivations that need only the machine's shell. `n` is the number of derivations in `many`.
{ n ? 200 }:
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
  # Outputs that refer to each other, to themselves and to an input, of each type of file.
  multi = sh "multi" { outputs = [ "out" "dev" "doc" ]; inherit dep; } ''
    mkdir "$out" "$dev" "$doc"
    echo "$dev" >"$out/to-dev"
    echo "$doc $dep" >"$dev/to-doc"
    echo "$doc" >"$doc/self"
    ln -s "$dep" "$out/link"
    ln -s nowhere "$out/dangling"
    echo '#!/bin/sh' >"$out/program"
    chmod 4755 "$out/program" 2>/dev/null || chmod 755 "$out/program"
    chmod 600 "$dev/to-doc"
    mkdir "$out/empty" "$out/sticky"
    chmod 1777 "$out/sticky" && chmod 755 "$out/sticky"
    echo one >"$out/one"
    ln "$out/one" "$out/two"
    : >"$out/name with spaces"
  '';
  # Writes wherever a build can.
  inBundleDir = sh "in-bundle-dir" { } ''
    echo tmp >/tmp/file
    echo shm >/dev/shm/file
    echo build >file
    cat /tmp/file /dev/shm/file file >"$out"
  '';
  dep = sh "dep" { } ''echo dep >"$out"'';
  link = sh "link" { inherit dep; } ''ln -s "$dep" "$out"'';

  # A chain: each reads the one before.
  chain = builtins.foldl' (before: i: sh "chain-${toString i}" { inherit before; } ''
    read -r x _ <"$before"
    echo "$((x + 1)) after $before" >"$out"
  '') (sh "chain-0" { } ''echo 0 >"$out"'') (builtins.genList (i: i + 1) 10);

  many = builtins.genList (i: sh "many-${toString i}" { } ''
    echo "${toString i}" >"$out"
  '') n;

  fewDescriptors = builtins.genList (i: sh "few-${toString i}" { } ''
    echo "${toString i}" >"$out"
  '') 60;

  cores = sh "cores" { } ''
    echo "$NIX_BUILD_CORES" >"$out"
  '';

  # All of Nix's ways to hand data to a build.
  files = sh "files" {
    passAsFile = [ "text" "nothing" ];
    text = "some text\nwith \"two\" lines";
    odd = "tab\there, \\ and 'quotes'";
    graph = "x";
    exportReferencesGraph = [ "graph-file" link ];
  } ''
    mkdir "$out"
    cp "$textPath" "$out/text"
    cp graph-file "$out/graph"
    echo "$odd" >"$out/odd"
    pwd >"$out/pwd"
    umask >"$out/umask"
    echo "$NIX_BUILD_TOP $TMPDIR $HOME $NIX_STORE" >"$out/env"
    id -u >"$out/id"
    cat /etc/passwd /etc/group /etc/hosts >"$out/etc"
  '';
  structured = derivation {
    name = "structured";
    system = builtins.currentSystem;
    builder = "/bin/bash";
    args = [ "-e" "-c" ''
      . "$NIX_ATTRS_SH_FILE" 2>/dev/null || . /build/.attrs.sh
      PATH=/usr/bin:/bin
      for o in "''${outputs[@]}"; do mkdir "$o"; done
      cp /build/.attrs.json "''${outputs[out]}/json"
      declare -p list number | sort >"''${outputs[lib]}/attrs"
    '' ];
    __structuredAttrs = true;
    outputs = [ "out" "lib" ];
    list = [ "a" "b c" ];
    number = 7;
    inherit dep;
  };

  fails = sh "fails" { } ''
    echo this goes to the log
    echo half >"$out"
    exit 7
  '';
  afterFails = sh "after-fails" { inherit fails; } ''echo never >"$out"'';
  # The builder is pid 1 of its namespace: only the kernel's own signals kill it.
  killed = sh "killed" { } ''exec python3 -c "import ctypes; ctypes.string_at(0)"'';
  noOutput = sh "no-output" { outputs = [ "out" "dev" ]; } ''echo >"$out"'';
  badFile = sh "bad-file" { } ''mkdir "$out"; mkfifo "$out/fifo"'';
  timesOut = sh "times-out" { } ''echo started; sleep 100; echo >"$out"'';
  lastLine = sh "last-line" { } ''
    echo first line
    echo >"$out"
    printf 'no newline at the end'
  '';
}
