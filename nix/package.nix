# nix-oci-hook as nixpkgs builds packages: callPackage this file.
#
# `runtime` is a package with an OCI runtime (crun, runc, youki, gvisor) whose program becomes the
# one that is found when the configuration names none. `src` is for a release or another checkout;
# where it is fetched by a function of nixpkgs that knows a homepage (fetchFromGitHub), `homepage`
# is that. `maintainers` are entries of lib.maintainers.
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
  groff,
  python3,
  crun,
  busybox-sandbox-shell,
  runtime ? crun,
  src ? lib.cleanSource ../.,
  homepage ? src.meta.homepage or null,
  maintainers ? [ ],
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
  # The scripts of `make check` skip what they find no program for; the tests of requests and of the
  # manual page are to run.
  nativeCheckInputs = [
    groff
    python3
  ];
  checkInputs = [ cmocka ];

  # There is no /bin/bash where nixpkgs builds.
  postPatch = ''
    patchShebangs autogen.sh scripts tests
  '';
  preAutoreconf = ''
    mkdir -p m4 build-aux
  '';
  configureFlags = [ "--sysconfdir=/etc" ];
  enableParallelBuilding = true;
  # Unit tests and scripts only: no root, no containers, no store is needed for them. Three programs
  # need what Nix's sandbox forbids or has not: set-id bits, groups with members, mount namespaces.
  doCheck = true;
  preCheck = ''
    checkFlagsArray+=("TESTS=$(
      printf 'print:\n\t@echo $(SCRIPT_TESTS) $(UNIT_TESTS) $(FUZZ_TARGETS)\n' |
        make --no-print-directory --silent -f Makefile -f - print |
        tr ' ' '\n' | grep -vxE 'tests/unit/(host/test_users|keep/test_keep_tree|run/test_tenants)' |
        tr '\n' ' '
    )")
  '';

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
    inherit maintainers;
  }
  // lib.optionalAttrs (homepage != null) {
    inherit homepage;
    changelog = "${homepage}/blob/main/NEWS.md";
  };
}
