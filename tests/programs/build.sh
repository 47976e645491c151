# SPDX-License-Identifier: BSD-3-Clause
# gcc, make and ninja: parts of this project are built, and what was built is run.
. "${0%/*}/lib.sh"

# Not the builds in it: other tests are at work there.
mkdir source
tar -C "$SOURCE" --exclude='./build*' --exclude=./.git --exclude=__pycache__ -cf - . | tar -C source -xf -
# The same bytes whatever the directory.
flags="-ffile-prefix-map=$DIR/source=. -ffile-prefix-map=../=. -g0"

cat >source/core/Makefile <<'END'
OBJECTS := $(patsubst %.c,%.o,$(wildcard *.c))
libcore.a: $(OBJECTS)
	$(AR) rcD $@ $(sort $^)
%.o: %.c $(wildcard *.h)
	$(CC) -std=c11 -D_GNU_SOURCE -O0 -I. -I../port/user $(FLAGS) -c -o $@ $<
END
cc=${CC-gcc}
if [ "$EFFORT" = 0 ]; then
	(cd source/core && make -s -j2 CC="$cc" FLAGS="$flags" lane.o super.o)
	mkdir made
	mv source/core/*.o made
	rm -r source
	exit
fi
(cd source/core && make -s -j2 CC="$cc" FLAGS="$flags" && make -s -q CC="$cc" FLAGS="$flags")
ar t source/core/libcore.a
nm -g --defined-only source/core/libcore.a | grep -c ' T '
did 1 library by make

CC=$cc meson setup build source --buildtype=plain -Dc_args="$flags" >"$WORK/meson.log" 2>&1 ||
	{ tail "$WORK/meson.log" >&2; fail meson; }
targets=(mkfs/mkfs.umfs)
[ "$EFFORT" = 1 ] || targets=(mkfs/mkfs.umfs fsck/fsck.umfs libumfs/libumfs.so tools/umfs)
ninja -C build "${targets[@]}" >"$WORK/ninja.log" 2>&1 || { tail -n 20 "$WORK/ninja.log" >&2; fail ninja; }
ninja -C build "${targets[@]}" | tail -n 1
touch source/core/lane.c
ninja -C build -n "${targets[@]}" | grep -o 'Compiling C object .*lane.c.o' | sort
ninja -C build "${targets[@]}" >/dev/null
did ${#targets[@]} program by ninja

# What was built works: it runs from where it was built.
./build/mkfs/mkfs.umfs --version
./build/mkfs/mkfs.umfs -q --size 16M "$WORK/made.pool"
./build/mkfs/mkfs.umfs -q --size 16M "$WORK/made.pool" 2>/dev/null || echo "not over a pool"
mkdir made
for target in "${targets[@]}"; do strip -o "made/${target##*/}" "build/$target"; done
cp source/core/libcore.a made
rm -r source build
