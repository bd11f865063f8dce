# A build with inputs of each kind. Another `salt` gives other derivations with equal contents;
# `big` is the size in bytes of one input.
{ salt ? "", big ? 0 }:
let
  sh = name: attrs: script: derivation ({
    inherit name salt;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-e" "-u" "-c" script ];
    PATH = "/usr/bin:/bin";
  } // attrs);
  # Not of `salt`: the inputs are the same for all.
  input = name: attrs: script: sh name ({ salt = "input"; } // attrs) script;
in
rec {
  source = builtins.toFile "source" "a file\n";
  file = input "file" { inherit source; } ''cat "$source" "$source" >"$out"; chmod 755 "$out"'';
  tree = input "tree" { inherit file; } ''
    mkdir -p "$out/a/b" "$out/empty"
    for i in 1 2 3 4 5 6 7 8 9; do echo "$i" >"$out/a/b/$i"; done
    echo '#!/bin/sh' >"$out/a/run" && chmod 755 "$out/a/run"
    ln -s "$file" "$out/to-file" && ln -s a "$out/to-a" && ln -s nowhere "$out/dangling"
  '';
  link = input "link" { inherit tree; } ''ln -s "$tree/a" "$out"'';
  large = input "large" { inherit big; } ''head -c "$big" /dev/urandom >"$out"'';

  # What can be seen of them, through the link too.
  contents = sh "contents" { inherit source file tree link; } ''
    find "$source" "$file" "$tree" "$link" -printf '%p %y %m %Ts %l\n' | sort >"$out"
    find "$source" "$file" "$tree" "$link" -type f -print0 | sort -z | xargs -0 sha256sum >>"$out"
    cat "$link/b/5" >>"$out"
    if touch "$tree/new" || chmod 777 "$tree" || echo x >"$file"; then echo writable >>"$out"; fi
  '';
  mounts = sh "mounts" { inherit link; } ''
    cat /proc/self/mountinfo >"$out"
    ls /nix/store | sed 's/^/visible: /' >>"$out"
    if [ -e /tool ]; then cat /tool >>"$out"; fi
  '';
  wantsLarge = sh "wants-large" { inherit large; } ''wc -c "$large" >"$out"'';
}
