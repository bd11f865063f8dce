# The probe, as the builder of each kind of build that has another sandbox. `dir` contains the
# program.
{ dir, system ? builtins.currentSystem }:
let
  builder = "${builtins.path { path = dir; name = "probe"; }}/probe";
  build = attrs: derivation ({
    inherit system builder;
    args = [ (builtins.placeholder "out") builder "an argument" ];
  } // attrs);
  input = builtins.toFile "input" "an input";
  user = builtins.toFile "user-of-input" "refers to ${input}";
  link = derivation {
    name = "a-link";
    inherit system;
    builder = "/bin/sh";
    args = [ "-c" "/bin/busybox ln -s ${user} $out" ];
  };
  fixed = {
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  };
in
{
  plain = build { name = "plain"; };
  full = build {
    name = "full";
    outputs = [ "out" "dev" ];
    args = [ (builtins.placeholder "out") (builtins.placeholder "dev") builder "a b" "" "é" ];
    inherit link user;
    passAsFile = [ "text" "nothing" ];
    text = "two\nlines of ${builtins.placeholder "out"}";
    exportReferencesGraph = [ "graph" link ];
    PATH = "/from/the/derivation";
    HOME = "/its/home";
    TMPDIR = "/not/used";
    TERM = "dumb";
    impureEnvVars = [ "PARITY_SET" ];
    __impureHostDeps = [ "/etc/hostname" "/etc/not-there" ];
  };
  fixed = build (fixed // {
    name = "fixed";
    impureEnvVars = [ "PARITY_SET" "PARITY_UNSET" "TMPDIR" ];
  });
  structured = build {
    name = "structured";
    __structuredAttrs = true;
    list = [ 1 "a b" true false null ];
    nested = { a = "x"; b = [ "y" ]; };
    flat = { a = "it's"; };
    number = 7;
    graph = "x";
    exportReferencesGraph.closure = [ link ];
  };
  i686 = build { name = "i686"; system = "i686-linux"; };
  program32 = build {
    name = "program32";
    system = "i686-linux";
    builder = "${builtins.path { path = dir; name = "probe"; }}/probe32";
  };
  # 65536 ids and root inside; with Nix 2.12 and later.
  range = build { name = "range"; requiredSystemFeatures = [ "uid-range" ]; };
}
