# Builds that are root of a range of ids, and make control groups.
{ seed, features ? [ "uid-range" ] }:
let
  build = name: script: derivation {
    inherit name seed;
    system = builtins.currentSystem;
    builder = "/bin/bash";
    args = [ "-c" "set -eu\n${script}" ];
    PATH = "/usr/bin:/bin:/usr/sbin";
    requiredSystemFeatures = features;
  };
  # A group with a process, one in that, and one with a name of its own.
  makeGroups = ''
    id -u
    grep '^0::' /proc/self/cgroup
    top=/sys/fs/cgroup
    mount -t cgroup2 none $top
    stat -c 'top: %a %u:%g' $top
    mkdir -p $top/sub/a/b "$top/another one"
    sleep 1000 &
    echo $! >$top/sub/cgroup.procs
    echo "it is in $(grep '^0::' /proc/$!/cgroup)"
    echo $$ >"$top/another one/cgroup.procs"
    grep '^0::' /proc/self/cgroup
  '';
  # What crun runs in a build: it makes a control group for it.
  inner = builtins.toFile "config.json" (builtins.toJSON {
    ociVersion = "1.0.2";
    process = {
      cwd = "/";
      args = [ "/bin/sh" "-c" "echo inner: $(grep ^0:: /proc/self/cgroup)" ];
      user = { uid = 0; gid = 0; };
    };
    root.path = "root";
    mounts = [ { destination = "/proc"; type = "proc"; source = "proc"; } ]
      ++ map (d: { destination = d; source = d; type = "bind"; options = [ "rbind" ]; })
        [ "/bin" "/lib" "/lib64" "/usr" ];
    linux.namespaces = map (type: { inherit type; }) [ "pid" "ipc" "uts" "mount" ];
  });
in
{
  groups = build "groups" ''
    ${makeGroups}
    echo fine >$out
  '';
  fails = build "fails" ''
    ${makeGroups}
    exit 3
  '';
  # Deeper than what is taken away by walking down may be.
  deep = build "deep" ''
    cd /sys/fs/cgroup
    mount -t cgroup2 none .
    cd .
    n=0
    while mkdir d 2>/dev/null; do cd d; n=$((n + 1)); [ $n -lt 200 ]; done
    echo "$n groups deep"
    mkdir /sys/fs/cgroup/wide{0..999}
    echo fine >$out
  '';
  # Out of the sandbox's mounts, so that by them nobody finds it.
  hides = build "hides" ''
    ${makeGroups}
    mount -t tmpfs none /tmp
    mkdir -p /tmp/{bin,old,proc,usr,lib,lib64}
    for d in bin proc usr lib lib64; do mount --rbind /$d /tmp/$d; done
    cd /tmp
    # Not every release has it.
    if type pivot_root >/dev/null 2>&1; then
      pivot_root . old
      umount -l /old
    fi
    echo started
    exec sleep 1000
  '';
  # What a limit does.
  eats = build "eats" ''
    ${makeGroups}
    x=0123456789
    while :; do x=$x$x; done
  '';
  # A container manager.
  manages = build "manages" ''
    mount -t cgroup2 none /sys/fs/cgroup
    mkdir -p inner/root/dev
    cp ${inner} inner/config.json
    crun --root /tmp/crun run --bundle inner inner
    echo fine >$out
  '';
  # What it can do to its null device, which must not be the machine's.
  null = build "null" ''
    [ -c /dev/null ] && [ -c /dev/stdin ]
    stat -c 'null: %F %a' /dev/null
    echo lost >/dev/null
    [ -z "$(cat /dev/null)" ]
    chmod 600 /dev/null || true
    chmod 600 /dev/stdin || true
    echo fine >$out
  '';
}
