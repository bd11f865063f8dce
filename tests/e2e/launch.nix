# Commands and environments that config.json cannot hold, and builders that cannot be executed.
{ seed ? "", status ? "SigIgn" }:
let
  build = name: builder: attrs: derivation ({
    inherit name builder seed;
    system = builtins.currentSystem;
    PATH = "/usr/bin:/bin";
  } // attrs);
  twice = s: s + s;
  # 160 KiB: more than an argument may have (MAX_ARG_STRLEN, 128 KiB).
  big = builtins.foldl' (s: _: twice s) "0123456789" (builtins.genList (i: i) 14);
  # All that the builder was given, and what is in its directory.
  dump = ''
    {
      od -An -c /proc/$$/cmdline
      tr '\0' '\n' </proc/$$/environ | od -An -c
      grep ${status} /proc/self/status
      ls -A
    } >"$out"
  '';
in
{
  plain = build "plain" "/bin/bash" { args = [ "-c" dump ]; };
  latin = build "latin" "/bin/bash" {
    args = [ "-c" dump "straße" "ÿþ" "" ];
    german = "grüße";
    cut = "â‚";
    surrogate = "í €";
  };
  passed = build "passed" "/bin/bash" {
    args = [ "-c" "cat \"$filePath\" >\"$out\"" ];
    passAsFile = [ "file" ];
    file = "ÿ and more";
  };
  sleeps = build "sleeps" "/bin/bash" { args = [ "-c" "echo started; sleep 1000" ]; };
  missing = build "missing" "/no/such" { };
  relative = build "relative" "bash" { };
  directory = build "directory" "/usr" { };
  through = build "through" "/bin/bash/x" { };
  noPermission = build "no-permission" "/usr/lib/os-release" { };
  noInterpreter = build "no-interpreter" "${builtins.toFile "x" "x"}" { };
  bigArgument = build "big-argument" "/bin/bash" { args = [ "-c" "echo >$out" big ]; };
  bigVariable = build "big-variable" "/bin/bash" { args = [ "-c" "echo >$out" ]; inherit big; };
}
