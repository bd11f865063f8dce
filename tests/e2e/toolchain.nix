# GNU hello again, with a toolchain that is itself an input from the store: nothing of the host is
# visible while it builds. The toolchain is Debian's, copied and made to run from its store path:
# two derivations, the libraries (with the loader and C headers) and the programs that refer to them.
# Only these two see the host, so the test builds them first.
{ sources }:
let
  script = attrs: derivation ({
    system = builtins.currentSystem;
    builder = "/bin/bash";
    args = [ "-e" "-u" "-c" ''eval "$script"'' ];
    PATH = "/usr/bin:/bin";
  } // attrs);
in
rec {
  libc = script {
    name = "libc";
    script = ''
      triple=$(gcc -print-multiarch)
      gcc=$(dirname "$(gcc -print-libgcc-file-name)")
      mkdir -p "$out/lib" "$out/include"
      cp -rL /usr/include/$triple/{asm,bits,gnu,sys,a.out.h,fpu_control.h,ieee754.h} "$out/include/"
      cp -rL /usr/include/{asm-generic,linux,*.h,arpa,net,netinet,rpc} "$out/include/" 2>/dev/null || true
      cp -L /usr/lib/$triple/{crt1.o,Scrt1.o,crti.o,crtn.o,libc.so.6,libm.so.6,libmvec.so.1} \
        /usr/lib/$triple/{libc_nonshared.a,libdl.so.2,libpthread.so.0,libgcc_s.so.1} "$out/lib/"
      loader=$(basename "$(patchelf --print-interpreter /usr/bin/gcc)")
      cp -L /lib64/$loader "$out/lib/ld.so"
      ln -s ld.so "$out/lib/$loader"
      # What libc.so of Debian says with absolute paths.
      echo "GROUP ( $out/lib/libc.so.6 $out/lib/libc_nonshared.a AS_NEEDED ( $out/lib/ld.so ) )" \
        >"$out/lib/libc.so"
      ln -s libm.so.6 "$out/lib/libm.so"
      ln -s libgcc_s.so.1 "$out/lib/libgcc_s.so"
    '';
  };

  tools = script {
    name = "tools";
    inherit libc;
    script = ''
      mkdir -p "$out/bin" "$out/lib"
      gcc=$(dirname "$(gcc -print-libgcc-file-name)")
      mkdir -p "$out/lib/gcc"
      cp -rL "$gcc"/include "$gcc"/{crtbegin.o,crtend.o,crtbeginS.o,crtendS.o,libgcc.a,libgcc_eh.a} \
        "$out/lib/gcc/"
      cp -L "$(command -v gcc)" "$out/bin/gcc.real"
      cp -L "$(gcc -print-prog-name=cc1)" "$(gcc -print-prog-name=collect2)" "$out/lib/gcc/"
      for p in bash sed grep mawk awk make as ld ar ranlib nm strip objdump cat chmod cmp cp cut \
        date diff dirname basename echo env expr false find head hostname id install ln ls mkdir mktemp \
        mv od printf pwd rm rmdir sleep sort tail tee test touch tr true uname uniq wc xargs; do
        f=$(type -P "$p") && cp -L "$f" "$out/bin/$p"
      done
      ln -s bash "$out/bin/sh"
      # The libraries of all of them that are not in libc's output.
      for f in "$out"/bin/* "$out"/lib/gcc/{cc1,collect2}; do
        [ -L "$f" ] || ldd "$f" 2>/dev/null
      done | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | sort -u | while read -r lib; do
        [ -e "$libc/lib/$(basename "$lib")" ] || cp -L "$lib" "$out/lib/"
      done
      for f in "$out"/bin/* "$out"/lib/gcc/{cc1,collect2} "$out"/lib/*.so*; do
        [ -f "$f" ] && [ ! -L "$f" ] || continue
        chmod u+w "$f"
        patchelf --set-rpath "$libc/lib:$out/lib" "$f" 2>/dev/null || continue
        patchelf --set-interpreter "$libc/lib/ld.so" "$f" 2>/dev/null || true
      done
      cat >"$out/bin/gcc" <<END
      #!$out/bin/bash
      link=yes
      for a; do case \$a in -c|-E|-S) link= ;; esac; done
      export COMPILER_PATH=$out/bin:$out/lib/gcc
      exec $out/bin/gcc.real -fno-use-linker-plugin -nostdinc -isystem $out/lib/gcc/include -isystem $libc/include \\
        -B$out/lib/gcc -B$out/bin -B$libc/lib "\$@" \
        \''${link:+-L$out/lib/gcc -L$libc/lib -Wl,-rpath,$libc/lib -Wl,--dynamic-linker=$libc/lib/ld.so}
      END
      sed -i 's/^      //' "$out/bin/gcc"
      chmod +x "$out/bin/gcc"
      ln -s gcc "$out/bin/cc"
    '';
  };

  hello = derivation {
    system = builtins.currentSystem;
    name = "hello";
    builder = "${tools}/bin/bash";
    args = [ "-e" "-u" "-c" ''
      cp -r --preserve=timestamps "$source" source
      chmod -R u+w source
      cd source
      # There is no /bin/sh here.
      sed -i "1s|^#! */bin/sh|#!$CONFIG_SHELL|" build-aux/{*-sh,compile,config.*,depcomp,missing}
      bash ./configure --prefix="$out" --disable-nls --disable-dependency-tracking CFLAGS=-O0
      make -j2 SHELL="$CONFIG_SHELL" HELP2MAN=true MAKEINFO=true
      mkdir -p "$out/bin"
      cp hello "$out/bin/"
      test "$("$out/bin/hello")" = "Hello, world!"
    '' ];
    PATH = "${tools}/bin";
    CONFIG_SHELL = "${tools}/bin/bash";
    SHELL = "${tools}/bin/bash";
    CC = "gcc";
    source = builtins.path {
      name = "hello-source";
      path = sources + "/hello";
    };
  };
}
