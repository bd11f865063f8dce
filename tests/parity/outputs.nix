# Builds that fail, one for each check of outputs, and builds whose outputs are registered.
let
  build = name: attrs: script: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-e" "-u" "-c" ("PATH=/bin\n" + script) ];
  } // attrs);
  structured = name: attrs: script: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-e" "-u" "-c" ("PATH=/bin\nout=$1\n" + script) "sh" (builtins.placeholder "out") ];
    __structuredAttrs = true;
  } // attrs);
  fixed = mode: hash: { outputHashMode = mode; outputHashAlgo = "sha256"; outputHash = hash; };
  input = builtins.toFile "input" "an input";
  user = builtins.toFile "user-of-input" "refers to ${input}";
  hello = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
  wrong = "0000000000000000000000000000000000000000000000000000000000000000";
in
{
  good = {
    hello = build "hello" (fixed "flat" hello) ''echo hello >$out'';
    tree = build "tree" { outputs = [ "out" "dev" ]; inherit user; } ''
      busybox mkdir $out $dev
      echo $dev $out >$out/refs
      echo $user >$dev/refs
      echo same >$out/a
      echo same >$dev/b
      busybox cp $out/a $out/x
      busybox chmod 755 $out/x
      busybox ln -s a $out/link
      busybox ln -s a $dev/link
      : >$out/empty
      : >$dev/empty
    '';
    allowed = build "allowed" { inherit user; allowedReferences = [ user "out" ]; } ''echo $user $out >$out'';
    limits = structured "limits" {
      outputChecks.out = { maxSize = 1000; maxClosureSize = 2000; allowedRequisites = [ "out" ]; };
    } ''echo small >$out'';
    lines = build "lines" { } ''
      echo one
      echo two >&2
      printf '@nix {"action":"setPhase","phase":"buildPhase"}\n'
      printf 'three\rfour\n'
      printf '\033[31mred\033[0m\n'
      echo >$out
      printf 'no end of line'
    '';
  };
  bad = {
    exits = build "exits" { } ''echo some output; echo half >$out; exit 3'';
    exitsWith100 = build "exits-with-100" { } ''exit 100'';
    killed = build "killed" { } ''kill -SEGV $$; ulimit -c 0; exec busybox sh -c 'kill -9 $$' '';
    missing = build "missing" { outputs = [ "out" "dev" ]; } ''echo >$out'';
    noBuilder = derivation { name = "no-builder"; system = builtins.currentSystem; builder = "/bin/nothing"; };
    noSuchTool = build "no-such-tool" { } ''no-such-tool'';
    writable = build "writable" { } ''busybox mkdir $out; busybox chmod 777 $out'';
    fifo = build "fifo" { } ''busybox mkdir $out; busybox mkfifo $out/fifo'';
    cycle = build "cycle" { outputs = [ "out" "dev" ]; } ''echo $dev >$out; echo $out >$dev'';
    hash = build "hash" (fixed "flat" wrong) ''echo hello >$out'';
    hashRecursive = build "hash-recursive" (fixed "recursive" wrong) ''busybox mkdir $out; echo x >$out/x'';
    flatDirectory = build "flat-directory" (fixed "flat" hello) ''busybox mkdir $out'';
    flatExecutable = build "flat-executable" (fixed "flat" hello) ''echo hello >$out; busybox chmod 755 $out'';
    fixedFails = build "fixed-fails" (fixed "flat" hello) ''exit 1'';
    allowedReferences = build "allowed-references" { inherit user; allowedReferences = [ ]; } ''echo $user >$out'';
    selfReference = build "self-reference" { allowedReferences = [ ]; } ''echo $out >$out'';
    allowedRequisites = build "allowed-requisites" { inherit user; allowedRequisites = [ user ]; } ''echo $user >$out'';
    disallowedReferences = build "disallowed-references" { inherit user; disallowedReferences = [ user ]; } ''echo $user >$out'';
    disallowedRequisites = build "disallowed-requisites" { inherit user input; disallowedRequisites = [ input ]; } ''echo $user >$out'';
    badSpecifier = build "bad-specifier" { allowedReferences = [ "nonsense" ]; } ''echo >$out'';
    maxSize = structured "max-size" { outputChecks.out.maxSize = 10; } ''echo large >$out'';
    maxClosureSize = structured "max-closure-size" {
      inherit user; u = "${user}"; outputChecks.out.maxClosureSize = 130; } ''echo ${user} >$out'';
    checkedRequisites = structured "checked-requisites" {
      outputChecks.out.disallowedRequisites = [ input ]; inherit user; } ''echo ${user} >$out'';
    dependent = build "dependent" {
      broken = build "broken" { } ''echo it breaks; exit 2'';
    } ''echo >$out'';
  };
  # For auto-optimise-store: what is equal, within a build and between them.
  same = {
    tree = build "same-tree" { outputs = [ "out" "dev" ]; } ''
      busybox mkdir -p $out/d/d $dev
      for f in $out/a $out/d/b $out/d/d/c $dev/e; do echo equal >$f; done
      busybox cp $out/a $out/program
      busybox chmod 755 $out/program
      : >$out/empty
      : >$dev/empty
      busybox ln -s a $out/link
      busybox ln -s a $dev/link
      echo other >$out/other
      busybox ln $out/other $out/other-name
    '';
    file = build "same-file" { } ''echo equal >$out'';
    program = build "same-program" { } ''echo equal >$out; busybox chmod 755 $out'';
    link = build "same-link" { } ''busybox ln -s a $out'';
    fixed = build "same-fixed" (fixed "flat" hello) ''echo hello >$out'';
    again = build "same-again" { } ''busybox mkdir $out; echo hello >$out/hello'';
  };
  # What the pre-build-hook of the test adds; it fails for some names.
  prebuild = {
    good = build "prebuild" { } ''
      busybox cat /extra/file >$out
      busybox cat /file >>$out
      busybox cat ${input} >>$out
    '';
    fails = build "prebuild-fails" { } ''echo >$out'';
    unknown = build "prebuild-unknown" { } ''echo >$out'';
    nowhere = build "prebuild-nowhere" { } ''echo >$out'';
  };
  slow = build "slow" { } ''echo started; busybox sleep 60'';
  kept = build "kept" { passAsFile = [ "text" ]; text = "t"; } ''
    busybox mkdir d
    echo x >d/file
    busybox ln -s d/file link
    busybox chmod 700 d
    exit 1
  '';
}
