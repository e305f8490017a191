#!/usr/bin/env bash
# userland.sh RELEASE WORK: a Debian arm64 userland (bookworm is Raspberry Pi OS of 2023, trixie that of 2025) in WORK/root-RELEASE,
# with what Python and the wheels' libraries need, unpacked and not configured. Does nothing where it is there already.
# Needs apt. The mirrors are those that this machine's apt uses.
set -euo pipefail
release=$1 work=$2
mkdir -p "$work"
work=$(cd "$work" && pwd) root=$work/root-$release
packages=(python3 python3-pip-whl libstdc++6 libgomp1 ca-certificates)

if [ -e "$root/.done" ]; then exit 0; fi

rm -rf "$root"
apt=$work/apt-$release
mkdir -p "$apt"/{etc/sources.list.d,etc/preferences.d,state/lists/partial,cache/archives/partial,log} "$root/usr"/{bin,sbin,lib}
: > "$apt/status"
# shellcheck disable=SC1091
host=$(. /etc/os-release; echo "${VERSION_CODENAME:-}")
found=0
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  if [ -f "$file" ] && grep -q debian "$file" && grep -Eq "\b$host\b" "$file"; then
    sed -E "s/\b$host\b/$release/g" "$file" > "$apt/etc/sources.list.d/$(basename "$file")"
    found=1
  fi
done
if [ $found = 0 ]; then
  echo "userland.sh: no apt source of Debian $host to learn a mirror from in /etc/apt; expected a Debian machine" >&2
  exit 1
fi
if [ -d /etc/apt/trusted.gpg.d ]; then cp -r /etc/apt/trusted.gpg.d "$apt/etc/"; fi
options=(-q -o Dir::Etc="$apt/etc" -o Dir::Etc::parts=/etc/apt/apt.conf.d -o Dir::State="$apt/state"
  -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" -o Dir::Log="$apt/log"
  -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Install-Recommends=false
  -o APT::Sandbox::User=root -o APT::Keep-Downloaded-Packages=true)
apt-get "${options[@]}" update >"$apt/log/update" 2>&1 || { tail -5 "$apt/log/update" >&2; exit 1; }
apt-get "${options[@]}" install -y --download-only "${packages[@]}" >"$apt/log/get" 2>&1 || { tail -5 "$apt/log/get" >&2; exit 1; }
for folder in bin sbin lib; do ln -s "usr/$folder" "$root/$folder"; done  # before unpacking: /usr is merged
for package in "$apt"/cache/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$root"
done
rm -rf "$apt"
touch "$root/.done"
