# Fixed-output derivations that fetch from `url` with the machine's curl.
{ url, hashes ? { } }:
let
  fetch = name: attrs: derivation ({
    inherit name url;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-e" "-u" "-c" ''
      PATH=/usr/bin:/bin
      eval "$fetch"
      test "$NIX_OUTPUT_CHECKED" = 1
    '' ];
    fetch = ''curl -sSf "$url" -o "$out"'';
  } // attrs);
  content = "fetched\n";
  zero = "0000000000000000000000000000000000000000000000000000000000000000";
in
{
  flat = map (algo: fetch "flat-${algo}" {
    outputHashMode = "flat";
    outputHashAlgo = algo;
    outputHash = builtins.hashString algo content;
  }) [ "md5" "sha1" "sha256" "sha512" ];
  # The hash as SRI, without a name of the algorithm.
  sri = fetch "sri" {
    outputHash = "sha256-9uN5sGOQVMUYBv1dZ5SMvK69NUsOkadoOTKwQ8XDujI=";
  };
  recursive = map (algo: fetch "recursive-${algo}" {
    outputHashMode = "recursive";
    outputHashAlgo = algo;
    outputHash = hashes.${algo};
    fetch = ''mkdir "$out"; curl -sSf "$url" -o "$out/file"; ln -s file "$out/link"'';
  }) (builtins.attrNames hashes);
  mismatch = fetch "mismatch" {
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = zero;
  };
  mismatchRecursive = fetch "mismatch-recursive" {
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
    outputHash = zero;
  };
  executable = fetch "executable" {
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = builtins.hashString "sha256" content;
    fetch = ''curl -sSf "$url" -o "$out"; chmod +x "$out"'';
  };
  notFlat = fetch "not-flat" {
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = zero;
    fetch = ''mkdir "$out"'';
  };
  unreachable = fetch "unreachable" {
    url = url + "-that-is-not-there";
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = builtins.hashString "sha256" content;
  };
  # The network is for fixed outputs only.
  offline = derivation {
    name = "offline";
    inherit url;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-e" "-u" "-c" ''
      PATH=/usr/bin:/bin
      curl -sS --max-time 5 "$url" -o got && exit 1
      echo offline >"$out"
    '' ];
  };
}
