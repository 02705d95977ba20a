#!/usr/bin/env bash
# Runs a test program on an emulated processor with AVX-512 and ends with its exit code; 124: time ran
# out (TEST_AVX512_TIMEOUT seconds, 1800 by default), 125: the guest did not reach the program.
#
#   test-avx512.sh PROGRAM [ARGUMENTS]
#
# `cargo xtask test-avx512` makes this script the runner of `cargo test`. It needs a Debian system, whose
# packages it installs where they are missing: Bochs, a kernel and the tools to boot it from a CD.
set -euo pipefail

program=$(realpath -e -- "${1:?a program is needed}"); shift
cache=${TEST_AVX512_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/convgru-test-avx512}
mkdir -p "$cache"

missing=()
for package in bochs bochs-term bochsbios isolinux syslinux-common xorriso busybox-static; do
  dpkg -s "$package" &>/dev/null || missing+=("$package")
done
(( ! ${#missing[@]} )) || apt-get install -qq -y --no-install-recommends "${missing[@]}" >&2
if [[ ! -e $cache/vmlinuz ]]; then
  (cd "$cache"
    kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ {print $2; exit}')
    apt-get download -qq "$kernel" >&2
    dpkg-deb --fsys-tarfile "$kernel"_*.deb | tar -xO --wildcards './boot/vmlinuz-*' > kernel.part
    rm "$kernel"_*.deb && mv kernel.part vmlinuz)
fi

work=$(mktemp -d) emulator='' status=125 end=end-$RANDOM$RANDOM
cleanup() {
  [[ -z $emulator ]] || { kill -9 "$emulator"; wait "$emulator"; } 2>/dev/null || :
  rm -rf "$work"
}
trap cleanup EXIT

# The guest: busybox, the program without its debug information, the libraries it is linked with.
root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp,work} "$work/cd"
cp /bin/busybox "$root/bin/busybox"
strip --strip-debug -o "$root/work/test" "$program" 2>/dev/null || cp "$program" "$root/work/test"
{ ldd "$program" 2>/dev/null || :; } | { grep -o '/[^ ]*' || :; } | while read -r library; do
  cp -L --parents "$library" "$root"
done
variables=(RUST_BACKTRACE=1 PATH=/bin HOME=/tmp)
while read -r name; do variables+=("$name=${!name}"); done < <(compgen -e | grep -E '^(PROPTEST|CONVGRU)_' || :)
{
  echo '#!/bin/busybox sh'
  for mount in proc:/proc sysfs:/sys devtmpfs:/dev tmpfs:/tmp; do
    echo "/bin/busybox mount -t ${mount%%:*} none ${mount##*:}"
  done
  echo "/bin/busybox stty -F /dev/ttyS0 raw -echo; exec </dev/null >/dev/ttyS0 2>&1; cd /work; echo start-$end"
  printf '%q ' /bin/busybox env -i "${variables[@]}" ./test "$@"
  printf '\necho %s $?\nwhile :; do /bin/busybox sleep 1000; done\n' "$end"
} > "$root/init"
chmod 755 "$root/init"
(cd "$root" && find . | busybox cpio -o -H newc -R 0:0 2>/dev/null) > "$work/cd/initrd"

# A CD that boots it. Bochs 2.7 tells a wrong size of saved registers, at which Linux turns AVX off
# unless it is told not to look (clearcpuid).
cp "$cache/vmlinuz" /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/cd/"
cat > "$work/cd/isolinux.cfg" <<'CONFIG'
DEFAULT guest
PROMPT 0
LABEL guest
  LINUX /vmlinuz
  INITRD /initrd
  APPEND console=ttyS1,115200 clearcpuid=xsaves,xsavec nokaslr mitigations=off nopti tsc=reliable random.trust_cpu=on panic=-1 init_on_alloc=0 cryptomgr.notests
CONFIG
xorriso -as mkisofs -quiet -o "$work/cd.iso" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 \
  -boot-info-table "$work/cd" 2>/dev/null
mkfifo "$work/output"
exec 3<>"$work/output" # both ways, so that an emulator that ends does not leave this waiting
echo c > "$work/commands" # Debian's Bochs stops in a debugger first
cat > "$work/bochsrc" <<CONFIG
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=corei7_skylake_x, count=1, ips=50000000, reset_on_triple_fault=0
memory: guest=1024, host=1024
ata0-master: type=cdrom, path=$work/cd.iso, status=inserted
boot: cdrom
clock: sync=none
com1: enabled=1, mode=file, dev=$work/output
com2: enabled=1, mode=file, dev=$work/kernel.log
sound: driver=default, waveout=dummy
log: $work/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
CONFIG
TERM=linux bochs-bin -q -f "$work/bochsrc" -rc "$work/commands" </dev/null &>"$work/screen" 3>&- & emulator=$!

line=''
while :; do
  if (( SECONDS > ${TEST_AVX512_TIMEOUT:-1800} )); then echo "test-avx512: time ran out" >&2; break; fi
  part=''
  if ! IFS= read -r -t 1 -u 3 part; then
    line+=$part
    kill -0 "$emulator" 2>/dev/null || { echo "test-avx512: the emulator ended by itself" >&2; break; }
    continue
  fi
  line+=$part
  case $line in
    *"start-$end") status=124 ;;
    *"$end "[0-9]*) printf %s "${line%"$end "*}"; status=${line##* }; break ;;
    *) printf '%s\n' "$line" ;;
  esac
  line=''
done
if (( status == 125 )); then tail -n 8 "$work/kernel.log" "$work/bochs.log" >&2 || :; fi
exit "$status"
