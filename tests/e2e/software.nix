# Real software, from Debian's sources with Debian's toolchain, which the builds see through
# sandbox-paths. `sources` is a directory with the unpacked packages.
{ sources }:
let
  build = attrs@{ name, source, script, ... }: derivation ({
    system = builtins.currentSystem;
    builder = "/bin/bash";
    args = [ "-e" "-u" "-c" ''
      # Every file of a store path has the same time, so nothing seems out of date to make.
      cp -r --preserve=timestamps "$source" source
      chmod -R u+w source
      cd source
      eval "$script"
    '' ];
    PATH = "/usr/bin:/bin";
    CC = "gcc";
    SOURCE_DATE_EPOCH = "1";
  } // attrs);
  source = name: filter: builtins.path {
    name = "${name}-source";
    path = sources + "/${name}";
    inherit filter;
  };
  all = _: _: true;
  without = names: path: _: !(builtins.elem (baseNameOf path) names);
in
rec {
  hello = build {
    name = "hello";
    source = source "hello" all;
    script = ''
      ./configure --prefix="$out" --disable-nls --disable-dependency-tracking CFLAGS=-O0
      make -j2 HELP2MAN=true
      touch man/hello.1 hello.1
      make install HELP2MAN=true MAKEINFO=true
      test "$("$out/bin/hello")" = "Hello, world!"
    '';
  };

  # Three outputs that refer to each other and a consumer below.
  zlib = build {
    name = "zlib";
    outputs = [ "out" "dev" "static" ];
    source = source "zlib" all;
    script = ''
      CFLAGS=-O1 ./configure --prefix="$out" --includedir="$dev/include" --libdir="$out/lib"
      make -j2 libz.a libz.so.1.2.13 zlib.pc
      mkdir -p "$out/lib" "$dev/include" "$dev/lib/pkgconfig" "$static/lib"
      cp -P libz.so* "$out/lib/"
      cp zlib.h zconf.h "$dev/include/"
      cp zlib.pc "$dev/lib/pkgconfig/"
      ln -s "$out/lib/libz.so" "$dev/lib/libz.so"
      cp libz.a "$static/lib/"
    '';
  };

  # Built against zlib's outputs, and run in the build: the inputs are there and work.
  zpipe = build {
    name = "zpipe";
    source = source "zlib" all;
    zlib = zlib.out;
    inherit (zlib) dev;
    script = ''
      mkdir -p "$out/bin"
      gcc -O1 -I"$dev/include" examples/zpipe.c -L"$zlib/lib" -Wl,-rpath,"$zlib/lib" -lz \
        -o "$out/bin/zpipe"
      "$out/bin/zpipe" <README | "$out/bin/zpipe" -d | cmp - README
    '';
  };

  lua = build {
    name = "lua";
    source = source "lua5.4" all;
    script = ''
      # The Debian tree's makefiles want libtool; the program needs none.
      mkdir -p "$out/bin"
      cd src
      rm luac.c
      echo '#define DEB_HOST_MULTIARCH "any"' >lua5.4-deb-multiarch.h
      gcc -O0 -std=gnu99 -DLUA_USE_POSIX -DLUA_USE_DLOPEN *.c -Wl,-E -lm -ldl -o "$out/bin/lua"
      test "$("$out/bin/lua" -e 'print(6 * 7)')" = 42
    '';
  };

  sqlite = build {
    name = "sqlite";
    source = source "sqlite3" (without [ "www" "test" "debian" "art" "doc" "vsixtest" "mptest" "wasm" ]);
    script = ''
      ./configure --prefix="$out" --disable-tcl --disable-dependency-tracking CFLAGS=-O0
      make -j2 sqlite3.c sqlite3.h shell.c
      mkdir -p "$out/bin" "$out/lib"
      gcc -O0 -shared -fPIC sqlite3.c -o "$out/lib/libsqlite3.so" -lm &
      gcc -O0 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_THREADSAFE=0 shell.c sqlite3.c -o "$out/bin/sqlite3" -lm
      wait $!
      test "$("$out/bin/sqlite3" :memory: 'select sum(value) from json_each("[1,2,39]")')" = 42
    '';
  };
}
