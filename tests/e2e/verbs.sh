#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The verbs that look at one derivation: with inputs that are not built, in a file outside the
# store, and in another store. They start Nix only once.
. "$(dirname "$0")/../lib.sh"
world "$@"
need strace
cat >"$W/verbs.nix" <<'EOT'
let
  low = derivation { name = "low"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo >$out" ]; };
in
derivation {
  name = "top";
  system = "x86_64-linux";
  builder = "/bin/sh";
  args = [ "-c" "echo ${low} ${builtins.toFile "src" "x"} >$out" ];
}
EOT
drv=$(on hook nix-instantiate "$W/verbs.nix" 2>"$W/log") || skip_all "Nix cannot evaluate it"
verb() { # verb ARG...: stdout to $W/out, the rest to $W/log
  (cd "$W" && on hook "$NIX_OCI_HOOK" "$@") >"$W/out" 2>"$W/log"
}
inputs() { sed -n 's/.*{"path": "[a-z0-9]*-\([a-z]*\)", "source": .*/\1/p' "$1" | sort | tr '\n' ' '; }

# ---- inputs that are not built ----
verb request "$drv"
check_eq "an input that is not built is an error" $? 1
check_log "... that tells how to build it" \
  "^error: input '/nix/store/.*-low' is not valid; make it by: nix-store --realise '/nix/store/.*-low.drv!out'" "$W/log"
check "--unbuilt prints the request" verb request --unbuilt "$drv"
cp "$W/out" "$W/request"
cp "$W/out" "$W/request.json"
check_eq "--unbuilt lists inputs, built or not" "$(inputs "$W/request")" "low src "
check "--unbuilt prints the configuration" verb spec --unbuilt "$drv"
check_log "... which mounts them" '"destination": "/nix/store/.*-low"' "$W/out"
verb bundle -o b "$drv"
check_eq "a bundle wants its inputs built" $? 1
check "--unbuilt makes the bundle" verb bundle -o b --unbuilt "$drv"
check_log "... tells what is missing" "^warning: input '/nix/store/.*-low' is not built yet" "$W/log"
check_eq "... and only that" "$(grep -c . "$W/log")" 1
check "... for which it has a directory" test -d "$(echo "$W"/b/scratch/nix-store/*-low)"
check "... beside the input that is there" test -f "$(echo "$W"/b/scratch/nix-store/*-src)"
check_log "... and mounts it" '"destination": "/nix/store/.*-low"' "$W/b/config.json"
verb bundle -o c "$W/request.json"
check_eq "a request of it wants its inputs, too" $? 1
check "--unbuilt goes for a request as well" verb bundle -o c --unbuilt "$W/request.json"

# ---- the same derivation by other names ----
check "a base name is one of the store" verb request --unbuilt "${drv##*/}"
check "... of the same request" cmp "$W/out" "$W/request"
cp "$W/hook/store/${drv##*/}" "$W/any.drv"
check "a file outside the store is read" verb request --unbuilt any.drv
check "... of the same request" cmp "$W/out" "$W/request"
check "... by its whole path, too" verb request --unbuilt "$W/any.drv"
check "... of the same request" cmp "$W/out" "$W/request"
sed 's,/nix/store/[a-z0-9]*-top",/nix/store/00000000000000000000000000000000-top",g' "$W/any.drv" >"$W/made-up.drv"
verb request --unbuilt made-up.drv
check_eq "a made-up output path in such a file is refused" $? 1
check_log "... with the right one" "has incorrect output '/nix/store/0*-top', should be '/nix/store/.*-top'" "$W/log"
verb request --unbuilt nowhere.drv
check_log "a file that is not there is told" "opening 'nowhere.drv': No such file" "$W/log"

# ---- another store ----
on hook nix-instantiate --store "$W/other" "$W/verbs.nix" >"$W/log" 2>&1
rm -f "$W/hook/store/${drv##*/}"
check "--store names the store" verb request --store "$W/other" --unbuilt "$drv"
check_log "... whose files are the inputs" "\"source\": \"$W/other/nix/store/[a-z0-9]*-src\"" "$W/out"
verb request --unbuilt "$drv"
check_eq "it is not in the other one" $? 1

# ---- Nix is asked once ----
on hook strace -f -e trace=execve -o "$W/trace" "$NIX_OCI_HOOK" request --store "$W/other" --unbuilt "$drv" >"$W/out"
check_eq "Nix is started once" "$(grep -cE 'execve\("[^"]*/nix", .* = 0$' "$W/trace")" 1
finish
