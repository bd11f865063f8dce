# nix-oci-hook as nixpkgs builds packages: callPackage this file.
#
# `runtime` is a package with an OCI runtime (crun, runc, youki, gvisor) whose program becomes the
# one that is found when the configuration names none. `version` and `src` are for a release or
# another checkout.
{
  lib,
  stdenv,
  autoreconfHook,
  pkg-config,
  makeBinaryWrapper,
  parson,
  libarchive,
  curl,
  openssl,
  sqlite,
  libblake3 ? null, # not in old nixpkgs
  cmocka,
  crun,
  busybox-sandbox-shell,
  runtime ? crun,
  src ? lib.cleanSource ../.,
}:

stdenv.mkDerivation {
  pname = "nix-oci-hook";
  version = "0.1.0";
  inherit src;

  strictDeps = true;
  nativeBuildInputs = [
    autoreconfHook
    pkg-config
    makeBinaryWrapper
  ];
  buildInputs = [
    parson
    libarchive
    curl
    openssl
    sqlite
  ]
  ++ lib.optional (libblake3 != null) libblake3;
  checkInputs = [ cmocka ];

  preAutoreconf = ''
    mkdir -p m4 build-aux
  '';
  configureFlags = [ "--sysconfdir=/etc" ];
  enableParallelBuilding = true;
  # Unit tests and scripts only: no root, no containers, no store is needed for them.
  doCheck = true;

  # Nix starts the hook with a PATH of its own. The runtime and a shell for /bin/sh in the sandbox
  # are put behind it, so that a runtime of the machine or of the configuration wins. A binary
  # wrapper: a shell's start would be a fifth of a trivial build.
  postInstall = ''
    wrapProgram "$out/bin/nix-oci-hook" \
      --suffix PATH : "${lib.makeBinPath [ runtime ]}" \
      --set-default NIX_OCI_HOOK_SANDBOX_SHELL "${busybox-sandbox-shell}/bin/busybox"
  '';

  meta = {
    description = "Nix build hook that runs each build in an OCI container";
    license = lib.licenses.lgpl21Plus;
    platforms = lib.platforms.linux;
    mainProgram = "nix-oci-hook";
  };
}
