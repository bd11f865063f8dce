# The test evaluates these values strictly: every value is true, or its name says what is wrong.
# `conf` is the text of /etc/nix/oci-hook.conf for some settings. `check` are the commands that make
# it, with the package at `prefix`; eval.sh runs them.
{ top, prefix ? "/" }:
let
  pkgs = import ./fake-nixpkgs.nix;
  inherit (pkgs) lib;
  overlay = import (top + "/nix/overlay.nix");
  withOverlay = pkgs // overlay withOverlay pkgs;
  package = withOverlay.nix-oci-hook;
  eval = nixVersion: user: (lib.evalModule (import (top + "/nix/module.nix")) { pkgs = withOverlay; } {
    nix = { package = { version = nixVersion; }; } // user;
  }).config;
  on = version: extra: eval version { ociHook = { enable = true; } // extra; };
  hook = "${package}/bin/nix-oci-hook";
  fails = v: !(builtins.tryEval (builtins.deepSeq v v)).success;
  file = c: c.environment.etc."nix/oci-hook.conf".source;
  conf = c: (file c).text;
  daemon = c: c.systemd.services.nix-daemon;
  userFiles = c: (daemon c).environment.NIX_USER_CONF_FILES;
  here = { outPath = prefix; };
  release = src: (pkgs.callPackage (top + "/nix/package.nix") { inherit src; }).meta;
in
{
  inherit conf;
  check = settings: (file (on "2.31.0" { package = here; inherit settings; })).buildCommand;
  settings = on "2.31.0";
  tests = {
    package_has_a_name = package.pname == "nix-oci-hook";
    package_has_the_version_of_configure = builtins.match
      ".*AC_INIT[(][[]nix-oci-hook], [[]${builtins.replaceStrings [ "." ] [ "[.]" ] package.version}].*"
      (builtins.readFile (top + "/configure.ac")) != null;
    package_checks = package.doCheck && builtins.elem pkgs.cmocka package.checkInputs;
    package_uses_parson_itself = builtins.elem pkgs.parson package.buildInputs;
    package_takes_another_runtime = builtins.match ".*gvisor.*"
      (pkgs.callPackage (top + "/nix/package.nix") { runtime = pkgs.gvisor; }).postInstall != null;
    package_has_no_bin_bash = builtins.match ".*patchShebangs [^\n]*tests.*" package.postPatch != null;
    package_leaves_out_three_tests = builtins.match
      ".*host/test_users.keep/test_keep_tree.run/test_tenants.*"
      package.preCheck != null;
    package_has_the_programs_of_its_tests = package.nativeCheckInputs == [ pkgs.groff pkgs.python3 ];
    package_tells_of_itself = package.meta.maintainers == [ ] && package.meta ? homepage == false;
    release_has_a_homepage = release { outPath = "/x"; meta.homepage = "https://example.org/x"; }
      == package.meta // {
        homepage = "https://example.org/x";
        changelog = "https://example.org/x/blob/main/NEWS.md";
      };
    package_is_strict = builtins.isString (builtins.toJSON (removeAttrs package [ "src" ]));

    module_is_off_by_default = (eval "2.31.0" { }).nix ? settings == false;
    module_sets_the_hook = (on "2.31.0" { }).nix.settings.build-hook == hook;
    module_leaves_max_jobs = (on "2.31.0" { }).nix.settings ? max-jobs == false;
    module_can_forbid_local_builds = (on "2.31.0" { onlyHook = true; }).nix.settings.max-jobs == 0;
    module_installs_the_program = builtins.elem package (on "2.31.0" { }).environment.systemPackages;
    nix_2_24_reads_nix_conf = daemon (on "2.24.9" { }) ? environment == false;
    daemon_outlives_a_killed_build = (daemon (on "2.24.9" { })).serviceConfig.OOMPolicy
      == "continue";
    nix_2_25_needs_a_file = builtins.match "/nix/store/[^:]*:/root/[^:]*:/etc/xdg/nix/nix.conf"
      (userFiles (on "2.25.0" { })) != null;
    nix_2_33_needs_a_file = userFiles (on "2.33.4" { }) == userFiles (on "2.25.0" { });
    nix_config_is_the_administrators =
      (on "2.25.0" { }).systemd.services.nix-daemon.environment ? NIX_CONFIG == false;
    nix_2_34_reads_nix_conf = daemon (on "2.34.0" { }) ? environment == false;
    runtime_by_default = conf (on "2.31.0" { }) == "runtime = ${pkgs.crun}/bin/crun\n";
    runtime_by_name = conf (on "2.31.0" { runtime = "runsc"; }) == "runtime = ${pkgs.gvisor}/bin/runsc\n";
    runtime_by_path = conf (on "2.31.0" { runtime = "/opt/kata"; }) == "runtime = /opt/kata\n";
    runtime_unknown = fails (on "2.31.0" { runtime = "docker"; });
    settings_in_nix_conf_form = conf (on "2.31.0" {
      settings = { max-jobs = 4; userns = false; runtime-args = [ "--debug" "--x" ]; };
    }) == "max-jobs = 4\nruntime = ${pkgs.crun}/bin/crun\nruntime-args = --debug --x\nuserns = false\n";
    settings_runtime_wins = conf (on "2.31.0" { settings.runtime = "/x"; }) == "runtime = /x\n";
    one_runtime_is_no_warning = map (c: (on "2.31.0" c).warnings) [
      { }
      { runtime = "runsc"; }
      { settings.runtime = "/x"; }
      { runtime = "/x"; settings.runtime = "/x"; }
    ] == [ [ ] [ ] [ ] [ ] ];
    two_runtimes_are_a_warning = map (runtime: builtins.length
      (on "2.31.0" { inherit runtime; settings.runtime = "/x"; }).warnings) [ "crun" "/y" ] == [ 1 1 ];
    settings_are_checked = builtins.match ".*/bin/nix-oci-hook --config .* config .*"
      (file (on "2.31.0" { })).buildCommand != null;
    settings_wrong_type = fails (on "2.31.0" { settings.max-jobs = { }; });
    package_can_be_another = (on "2.31.0" { package = pkgs.crun; }).nix.settings.build-hook
      == "${pkgs.crun}/bin/nix-oci-hook";
  };
}
