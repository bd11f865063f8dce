# SPDX-License-Identifier: LGPL-2.1-or-later
# Derivations whose builder prints its environment, its arguments, the files in its build directory
# and the names in the store, each between lines that request.py looks for.
let
  dump = ''
    b=/bin/busybox
    echo "== environ"; $b base64 /proc/1/environ
    echo "== cmdline"; $b base64 /proc/1/cmdline
    echo "== files"; $b tar -c -f - -C /build . | $b base64
    echo "== store"; $b ls /nix/store | $b base64
    echo "== marks"; for f in /mark-*; do echo "$f"; done | $b base64
    echo "== end"
  '';
  make = attrs: derivation ({
    system = "x86_64-linux";
    builder = "/bin/sh";
    args = [ "-c" "${dump}\nprintf hello > ${placeholder (builtins.head (attrs.outputs or [ "out" ]))}" ]
      ++ attrs.more or [ ];
  } // removeAttrs attrs [ "more" ]);
  fixed = attrs: make ({
    outputHash = builtins.hashString "sha256" "hello";
    outputHashAlgo = "sha256";
    outputHashMode = "flat";
  } // attrs);

  leaf = builtins.toFile "leaf" "a leaf";
  branch = builtins.toFile "branch" "on ${leaf}";
  built = derivation {
    name = "built";
    system = "x86_64-linux";
    builder = "/bin/sh";
    args = [ "-c" "echo ${branch} $out > $out; echo $out > $dev" ];
    outputs = [ "out" "dev" ];
  };
in
{
  plain = make { name = "plain"; };

  overrides = make {
    name = "overrides";
    PATH = "/bin:/usr/bin";
    HOME = "/home";
    NIX_STORE = "/elsewhere";
    NIX_BUILD_CORES = "77";
    NIX_BUILD_TOP = "/a"; TMPDIR = "/b"; TEMPDIR = "/c"; TMP = "/d"; TEMP = "/e"; PWD = "/f";
    NIX_LOG_FD = "3";
    TERM = "dumb";
    NIX_OUTPUT_CHECKED = "0";
    impureEnvVars = [ "PARITY_SET" "HOME" ];
    empty = "";
    lines = "two\nlines\n\ttab \"quotes\" \\ $x";
    latin = "ü €";
    "a-b.c" = "no name in shell";
  };

  outputs = make {
    name = "outputs";
    outputs = [ "dev" "lib" "out" ];
    more = [ "${placeholder "out"}${placeholder "dev"}" "/" "" "x/${placeholder "lib"}/y" "${placeholder "nope"}" ];
    builder = "/bin/../bin/sh";
    both = "${placeholder "lib"}:${placeholder "out"}/bin";
    "${placeholder "dev"}" = "a name that is a placeholder";
    args = [ "-c" "${dump}\nfor o in ${placeholder "dev"} ${placeholder "lib"} ${placeholder "out"}; do echo > $o; done" ];
  };

  # Where its output goes is known after the build: it is told another path for so long.
  floating = make {
    name = "floating";
    outputs = [ "out" "lib" ];
    __contentAddressed = true;
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
    args = [ "-c" "${dump}\nfor o in ${placeholder "lib"} ${placeholder "out"}; do echo > $o; done" ];
  };

  passAsFile = make {
    name = "pass-as-file";
    passAsFile = [ "text" "here" "missing" "text" "bPath" ];
    text = "contents without a line feed, ${placeholder "out"}";
    here = "";
    herePath = "an attribute of its own";
    bPath = "x";
  };

  fixed = fixed {
    name = "fixed";
    impureEnvVars = [ "PARITY_SET" "PARITY_UNSET" "TMPDIR" "NIX_LOG_FD" "PARITY_SET" ];
    PARITY_SET = "from the derivation";
  };

  fixedStructured = fixed {
    name = "fixed-structured";
    __json = ''{"impureEnvVars":["PARITY_SET","PARITY_UNSET"],"name":"fixed-structured","outputHash":"x"}'';
  };

  graph = make {
    name = "graph";
    exportReferencesGraph = [ "one" branch "two.x-y" "${built}/bin/x" "_drvs" built.drvPath ];
  };

  structured = make {
    name = "structured";
    __structuredAttrs = true;
    outputs = [ "out" "dev" ];
    string = "it's \"a\" \\ \n line, ü";
    number = 42; negative = -7; large = 4294967297; half = 1.5; two = 2.0;
    yes = true; no = false; nothing = null;
    list = [ 1 "a b" true false null ];
    nested = [ [ 1 ] ];
    set = { b = 1; a = "x"; "it's" = true; };
    deep = { a.b.c = [ { d = null; } ]; };
    "not a name" = 1;
    path = placeholder "dev";
    emptyList = [ ]; emptySet = { };
    impureEnvVars = [ "PARITY_SET" ];
    args = [ "-c" "${dump}\nfor o in ${placeholder "dev"} ${placeholder "out"}; do echo > $o; done" ];
  };

  # Text that no evaluator writes, to see how a document is read and written again.
  json = make {
    name = "json";
    __json = builtins.readFile ./document.json;
  };

  structuredGraph = make {
    name = "structured-graph";
    __structuredAttrs = true;
    exportReferencesGraph = { closure = [ branch built ]; one = [ leaf ]; list = [ built.dev ]; };
  };

  # Its input is never made.
  unmade = make { name = "unmade"; input = make { name = "input"; }; };
}
