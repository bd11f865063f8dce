# Nix's own builders: builtin:fetchurl, from the server of builtins.py at `url`, and
# builtin:buildenv and builtin:unpack-channel. `hashes` has the hash of each file of the server, by
# its name; `archives` is a directory with archives of channels.
{ url ? "", hashes ? { }, archives ? ./. }:
let
  # As <nix/fetchurl.nix>, with what a test wants to set itself.
  fetch = name: attrs: derivation ({
    inherit name;
    url = "${url}/${name}";
    builder = "builtin:fetchurl";
    system = "builtin";
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = hashes.file;
    preferLocalBuild = true;
  } // attrs);
  unpacked = { outputHashMode = "recursive"; outputHash = hashes.tree; unpack = true; };
  package = name: attrs: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    PATH = "/bin:/usr/bin";
    args = [ "-e" "-c" ''
      mkdir -p $out/bin $out/share/$name $out/share/doc
      echo $name >$out/bin/$name
      echo $name >$out/share/$name/file
      echo $name >$out/share/doc/$name
      eval "$more"
    '' ];
    more = "";
  } // attrs);
  a = package "a" { };
  b = package "b" {
    outputs = [ "out" "dev" ];
    more = ''
      mkdir -p $dev/include $dev/share/doc
      echo b >$dev/include/b
      ln -s nowhere $out/dangling
      mkdir $out/nix-support $out/.hidden
      echo ${propagated} >$out/nix-support/propagated-user-env-packages
      echo 1 >$out/manifest.json
    '';
  };
  propagated = package "propagated" { };
  # Has a's program as well.
  rival = priority: package "rival" {
    more = "echo rival >$out/bin/a";
  } // { meta = { inherit priority; }; };
  plain = builtins.toFile "plain" "no directory";
  # As <nix/unpack-channel.nix>.
  channel = file: attrs: derivation ({
    name = "channel";
    system = "builtin";
    builder = "builtin:unpack-channel";
    channelName = "named";
    src = builtins.path { path = archives + "/${file}"; name = file; };
    preferLocalBuild = true;
  } // attrs);
  # As <nix/buildenv.nix>, which in Nix 2.8 only nix-env itself can read.
  env = derivations: derivation {
    name = "user-environment";
    system = "builtin";
    builder = "builtin:buildenv";
    manifest = builtins.toFile "env-manifest.nix" "[ ]";
    derivations = map (d:
      [ (d.meta.active or "true") (d.meta.priority or 5) (builtins.length (d.outputs or [ "out" ])) ]
      ++ map (output: d.${output}) (d.outputs or [ "out" ])) derivations;
    preferLocalBuild = true;
  };
in
{
  inherit a b;
  official = import <nix/fetchurl.nix> { name = "official"; url = "${url}/file"; sha256 = hashes.file; };
  good = {
    file = fetch "file" { };
    sha512 = fetch "file" { outputHashAlgo = "sha512"; outputHash = hashes.sha512; };
    redirect = fetch "redirect" { };
    flaky = fetch "flaky" { };
    encoded = fetch "encoded" { };
    auth = fetch "auth" { };
    executable = fetch "file" {
      executable = true;
      outputHashMode = "recursive";
      outputHash = hashes.executable;
    };
    nar = fetch "tree.nar" unpacked;
    xz = fetch "tree.nar.xz" unpacked;
    # The build's own /etc/passwd.
    own = fetch "own" { url = "file:///etc/passwd"; outputHash = hashes.passwd; };
    anySystem = fetch "file" { name = "any-system"; system = builtins.currentSystem; };
  };
  # The server breaks off in the middle, with and without ranges.
  resumed = fetch "resumed" { outputHash = hashes.large; };
  restarted = fetch "restarted" { outputHash = hashes.large; };
  mirrored = fetch "not-there-but-in-the-mirror" { };
  bad = {
    missing = fetch "missing" { };
    forbidden = fetch "forbidden" { };
    always500 = fetch "always500" { };
    loop = fetch "loop" { };
    toFile = fetch "to-file" { };
    mismatch = fetch "file" { outputHash = hashes.large; };
    notXz = fetch "not.nar.xz" unpacked;
    notNar = fetch "file" unpacked;
    shadow = fetch "shadow" { url = "file:///etc/shadow"; outputHash = hashes.shadow; };
    netrc = fetch "netrc" { url = "file:///build/netrc"; outputHash = hashes.netrc; };
    params = fetch "params" { url = "file:///build/.builtin"; };
    scheme = fetch "scheme" { url = "gopher://127.0.0.1/"; };
    notFixed = derivation {
      name = "not-fixed";
      url = "${url}/file";
      builder = "builtin:fetchurl";
      system = "builtin";
    };
  };
  unknown = derivation { name = "unknown"; builder = "builtin:nothing"; system = "builtin"; };
  channels = {
    tar = channel "good.tar.xz" { };
    zip = channel "good.zip" { };
  };
  absoluteChannel = channel "absolute.tar" { };
  badChannels = {
    empty = channel "empty.tar" { };
    two = channel "two.tar" { };
    upwards = channel "upwards.tar" { };
    through = channel "through.tar" { };
    text = channel "text" { };
    separator = channel "good.zip" { channelName = "a/b"; };
    parent = channel "good.zip" { channelName = ".."; };
    nameless = derivation { name = "nameless"; builder = "builtin:unpack-channel"; system = "builtin"; };
  };
  envs = {
    two = env [ a b ];
    files = env [ a { outputs = [ "out" ]; out = plain; } ];
    higher = env [ a (rival 1) ];
    lower = env [ a (rival "10") ];
    negative = env [ a (rival "-1") ];
    inactive = env [ a ((rival 5) // { meta.active = "false"; }) ];
  };
  conflict = env [ a (rival 5) ];
}
