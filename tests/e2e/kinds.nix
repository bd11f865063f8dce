# Kinds of derivations other than input-addressed and fixed ones.
let
  sh = name: attrs: script: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-e" "-u" "-c" script ];
    PATH = "/usr/bin:/bin";
  } // attrs);
  # Content-addressed: the path is known after the build.
  ca = mode: algo: name: attrs: sh name ({
    __contentAddressed = true;
    outputHashMode = mode;
    outputHashAlgo = algo;
  } // attrs);
  floating = ca "recursive" "sha256";
  plain = sh "plain" { } ''echo plain >"$out"'';
  fixed = mode: algo: hash: name: sh name {
    outputHashMode = mode;
    outputHashAlgo = algo;
    outputHash = hash;
  };
  # Of some of its names others are the beginning: git sorts directories as if "/" came after theirs.
  exampleTree = ''
    mkdir -p "$out/foo/deep" "$out/lib"
    echo dot >"$out/foo.txt"
    echo dash >"$out/foo-bar"
    echo zero >"$out/foo0"
    : >"$out/foo/deep/empty"
    ln -s foo/deep "$out/link"
    echo "#!/bin/sh" >"$out/lib/run"
    chmod 755 "$out/lib/run"
    head -c 1000000 /dev/zero | tr '\0' x >"$out/lib/large"
  '';
  # Hashed as git does it.
  git = algo: hashes: {
    file = ca "git" algo "file" { } ''echo contents >"$out"'';
    executable = ca "git" algo "executable" { } ''echo contents >"$out"; chmod 755 "$out"'';
    link = ca "git" algo "link" { } ''ln -s target "$out"'';
    tree = ca "git" algo "tree" { } (exampleTree + ''mkdir -p "$out/none/none"'');
    # In order of their references each gets its path; what the first names of itself is hashed.
    discarded = derivation {
      name = "discarded";
      system = builtins.currentSystem;
      builder = "/bin/sh";
      args = [ "-e" "-c" ''
        PATH=/usr/bin:/bin
        mkdir "$0" "$1"
        echo "$1 $0" >"$0/both"
        echo "$1" >"$1/self"
        ln -s "$1/self" "$0/link"
      '' (builtins.placeholder "out") (builtins.placeholder "lib") ];
      outputs = [ "out" "lib" ];
      __structuredAttrs = true;
      __contentAddressed = true;
      outputHashMode = "git";
      outputHashAlgo = algo;
      unsafeDiscardReferences = { out = true; lib = true; };
    };
    fixedFile = fixed "git" algo hashes.file "fixed-file" ''echo contents >"$out"'';
    fixedExecutable = fixed "git" algo hashes.file "fixed-executable"
      ''echo contents >"$out"; chmod 755 "$out"'';
    fixedLink = fixed "git" algo hashes.link "fixed-link" ''ln -s target "$out"'';
    fixedTree = fixed "git" algo hashes.tree "fixed-tree" exampleTree;
  };
in
rec {
  floatingKinds = {
    file = floating "file" { } ''echo contents >"$out"'';
    flat = ca "flat" "sha256" "flat" { } ''echo contents >"$out"'';
    sha1 = ca "recursive" "sha1" "sha1" { } ''mkdir "$out"; echo x >"$out/x"; chmod 755 "$out/x"'';
    self = floating "self" { } ''
      mkdir -p "$out/bin"
      echo "$out/bin" >"$out/bin/self"
      ln -s "$out/bin/self" "$out/link"
      { head -c 300000 /dev/zero | tr '\0' x; echo "$out"; echo "$out$out"; } >"$out/large"
    '';
    references = floating "references" { inherit plain; } ''echo "$plain" >"$out"'';
    # The first by name refers to the last, and that one to the second.
    several = floating "several" { outputs = [ "a" "b" "out" ]; inherit plain; } ''
      mkdir "$a" "$b" "$out"
      echo "$out $a" >"$a/refs"
      echo "$plain $b" >"$b/refs"
      echo "$b" >"$out/refs"
      ln -s "$out/refs" "$a/link"
    '';
    # Of one content with `file`, and of one name.
    twin = floating "file" { unused = 1; } ''echo contents >"$out"'';
    # No floating one, of an input that is fixed: known by their derivations all the same.
    fixed = sh "from-fixed" {
      source = sh "fixed" {
        outputHash = builtins.hashString "sha256" "fixed\n";
        outputHashMode = "flat";
        outputHashAlgo = "sha256";
      } ''echo fixed >"$out"'';
    } ''echo "$source" >"$out"'';
    # Inputs that are floating themselves: Nix resolves them.
    user = floating "user" { self = floatingKinds.self; b = floatingKinds.several.b; } ''
      cat "$self/bin/self" >"$out"
      echo "$b" >>"$out"
    '';
    # Not floating, but of an input that is.
    deferred = sh "deferred" { inherit (floatingKinds) self; } ''echo "$self" >"$out"'';
    structured = derivation {
      name = "structured";
      system = builtins.currentSystem;
      builder = "/bin/bash";
      args = [ "-e" "-c" ''
        . "''${NIX_ATTRS_SH_FILE:-/build/.attrs.sh}" 2>/dev/null || . /build/.attrs.sh
        PATH=/usr/bin:/bin
        mkdir "''${outputs[out]}"
        echo "''${outputs[out]}" >"''${outputs[out]}/self"
      '' ];
      __structuredAttrs = true;
      __contentAddressed = true;
      outputHashMode = "recursive";
      outputHashAlgo = "sha256";
      outputChecks.out.allowedReferences = [ "out" ];
    };
    # With Nix 2.14 and later: named in the contents, and no reference.
    discarded = derivation {
      name = "discarded";
      system = builtins.currentSystem;
      builder = "/bin/sh";
      args = [ "-c" "echo $0 >$0" (builtins.placeholder "out") ];
      __structuredAttrs = true;
      __contentAddressed = true;
      outputHashMode = "recursive";
      outputHashAlgo = "sha256";
      unsafeDiscardReferences.out = true;
    };
  };
  # Nix 2.26 and later: text, and with it derivations that a build has made.
  text = rec {
    lone = ca "text" "sha256" "lone" { inherit plain; } ''printf '%s\n' "$plain" >"$out"'';
    # The first by name refers to the last.
    pair = ca "text" "sha256" "pair" { outputs = [ "a" "out" ]; inherit plain; } ''
      echo "$plain" >"$out"
      { head -c 300000 /dev/zero | tr '\0' x; echo "$out$out"; } >"$a"
    '';
    # A derivation that only a build has made, of one that was evaluated.
    inner = floating "inner" { inherit plain; } ''echo "as evaluated: $plain" >"$out"'';
    producer = ca "text" "sha256" "inner.drv" {
      drv = builtins.unsafeDiscardOutputDependency inner.drvPath;
    } ''sed 's/as evaluated/as built/' "$drv" >"$out"'';
    user = sh "user-of-product" { product = builtins.outputOf producer.outPath "out"; }
      ''cat "$product" >"$out"'';
  };
  # What a build has made, called a derivation and none that could be.
  madeBad = {
    nonsense = ca "text" "sha256" "made-nonsense.drv" { } ''echo nonsense >"$out"'';
    lying = ca "text" "sha256" "made-lying.drv" {
      drv = builtins.unsafeDiscardOutputDependency plain.drvPath;
    } ''sed 's/-plain",""/-other",""/' "$drv" >"$out"'';
    endless = ca "text" "sha256" "made-endless.drv" { }
      ''{ printf 'Derive([],[('; head -c 100000000 /dev/zero | tr '\0' '('; } >"$out"'';
  };
  textBad = {
    self = ca "text" "sha256" "text-self" { } ''echo "$out" >"$out"'';
    directory = ca "text" "sha256" "text-directory" { } ''mkdir "$out"'';
    executable = ca "text" "sha256" "text-executable" { } ''echo >"$out"; chmod 755 "$out"'';
    sha512 = ca "text" "sha512" "text-sha512" { } ''echo >"$out"'';
  };
  floatingBad = {
    flatReferences = ca "flat" "sha256" "flat-references" { inherit plain; } ''echo "$plain" >"$out"'';
    flatSelf = ca "flat" "sha256" "flat-self" { } ''echo "$out" >"$out"'';
    flatDirectory = ca "flat" "sha256" "flat-directory" { } ''mkdir "$out"'';
    cycle = floating "cycle" { outputs = [ "out" "dev" ]; } ''echo "$out" >"$dev"; echo "$dev" >"$out"'';
    missing = floating "missing" { outputs = [ "out" "dev" ]; } ''echo >"$out"'';
    notAllowed = floating "not-allowed" { inherit plain; allowedReferences = [ ]; } ''echo "$plain" >"$out"'';
  };
  # Nix 2.26 and later.
  gitKinds = {
    sha1 = git "sha1" {
      file = "12f00e90b6ef79117ce6e650416b8cf517099b78";
      link = "1de565933b05f74c75ff9a6520af5f9f8a5a2f1d";
      tree = "26d4227f3d4a451e9284fa4b8659bb0c00445adf";
    };
    sha256 = git "sha256" {
      file = "83a8942df3bd5981bb80176845169b596df1f00c265a89c67c166677f4f18aae";
      link = "fed183069fe19669f65384b7a5d87b447abf0a29591abf6800df208a55af5b02";
      tree = "1397a8e647f87811189a796ba2fd48220b677b1528be65edbcfeb4c4a30593e6";
    };
  };
  gitWrong = fixed "git" "sha1" "0000000000000000000000000000000000000000" "wrong" exampleTree;
  gitBad = {
    references = ca "git" "sha1" "git-references" { inherit plain; } ''echo "$plain" >"$out"'';
    self = ca "git" "sha1" "git-self" { } ''mkdir "$out"; echo "$out" >"$out/x"'';
    md5 = ca "git" "md5" "git-md5" { } ''mkdir "$out"'';
    fixedReferences = sh "git-fixed-references" {
      inherit plain;
      outputHashMode = "git";
      outputHashAlgo = "sha1";
      outputHash = "0000000000000000000000000000000000000000";
    } ''echo "$plain" >"$out"'';
  };
  # Nix 2.30 and later, where the hook was built with libblake3.
  blake3Kinds = {
    flat = ca "flat" "blake3" "flat" { } ''echo contents >"$out"'';
    tree = ca "recursive" "blake3" "tree" { } exampleTree;
    fixedFlat = fixed "flat" "blake3" "54e00265e2516f168096da17059a6109563d9ba64a0b77cdc4b33e44600c2a39"
      "fixed-flat" ''echo contents >"$out"'';
    fixedTree = fixed "recursive" "blake3" "7d955a992a164d2fb841ccedceb1da71a52fb1616ae4985265326a8ded5fcfcc"
      "fixed-tree" exampleTree;
  };
  blake3Wrong = fixed "recursive" "blake3" "0000000000000000000000000000000000000000000000000000000000000000"
    "wrong" exampleTree;
  blake3Bad = {
    references = ca "recursive" "blake3" "blake3-references" { inherit plain; } ''echo "$plain" >"$out"'';
    self = ca "recursive" "blake3" "blake3-self" { } ''echo "$out" >"$out"'';
    git = ca "git" "blake3" "blake3-git" { } ''mkdir "$out"'';
  };
  # What a hook built without libblake3 cannot hash.
  blake3 = ca "recursive" "blake3" "blake3" { } ''echo >"$out"'';
  impure = sh "impure" { __impure = true; } ''echo impure >"$out"'';
  recursive = sh "recursive" { requiredSystemFeatures = [ "recursive-nix" ]; } ''echo "''${NIX_REMOTE%%:*}" >"$out"'';
}
