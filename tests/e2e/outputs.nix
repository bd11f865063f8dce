# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds that leave every kind of file that a build can leave. `self`, `other` and so on are final
# store paths, also if the builder is run by hand.
let
  build =
    attrs: script:
    derivation (
      {
        system = builtins.currentSystem;
        builder = "/bin/busybox";
        args = [
          "sh"
          "-euc"
          ("umask 022\nPATH=/bin\n" + script)
        ];
      }
      // attrs
    );
  input = builtins.toFile "input" "an input";
  user = builtins.toFile "user-of-input" "refers to ${input}";
in
{
  tree =
    build
      {
        name = "tree";
        outputs = [
          "out"
          "dev"
          "lib"
        ];
        inherit input user;
      }
      ''
        busybox mkdir -p $out/bin $out/share/empty "$out/white space" $dev
        for m in 0755 0640 0010 0001 0100 0444 0555 0711 0600; do
          echo "$m" >$out/bin/$m
          busybox chmod $m $out/bin/$m
        done
        busybox chmod 0700 $out/share/empty
        busybox chmod 0500 "$out/white space"
        echo $out >$out/share/self
        echo $lib/lib/x.so >$out/share/needs-lib
        : >$out/share/$(busybox basename $user)
        busybox ln -s $out/bin $dev/bin
        busybox ln -s nowhere $dev/dangling
        busybox ln $out/bin/0755 $out/bin/hard
        busybox ln $out/bin/0640 $dev/hard
        busybox touch -d '2001-02-03 04:05:06' $out/bin/0755 $out/share
        busybox touch -h -d '2001-02-03 04:05:06' $dev/dangling
        busybox touch -d @1 $out/bin/0444
        busybox dd if=/dev/zero of=$out/big bs=64k count=20 2>/dev/null
        printf 'one byte before: x%s' "$input" >>$out/big
        printf '\377\376\n' >"$out/share/$(printf 'odd\nname\303\274')"
        echo only a file >$lib
      '';

  # What is copied where outputs cannot be renamed: a hard link and a hole stay what they are.
  plain = build { name = "plain"; inherit input; } ''
    busybox mkdir -p $out/a/b/c
    echo "$input" >$out/a/b/f
    busybox ln -s $out $out/a/b/c/self
    echo x >$out/a/x
    busybox chmod 0755 $out/a/x
    busybox ln $out/a/x $out/a/b/c/same
    busybox dd if=/dev/null of=$out/hole bs=1M seek=4 2>/dev/null
  '';
  link = build { name = "link"; } "busybox ln -s /nowhere $out";
  flat = build {
    name = "flat";
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
  } "echo hello >$out";
  recursive = build {
    name = "recursive";
    outputHashMode = "recursive";
    outputHashAlgo = "sha1";
    outputHash = "f1a220f6340b67ef2a63de0e7e5296b314219306";
  } "busybox mkdir $out; echo hello >$out/f; echo x >$out/x; busybox chmod 0700 $out/x";
}
