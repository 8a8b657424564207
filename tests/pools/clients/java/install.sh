#!/usr/bin/env bash
# Installs Debian's pool libraries for Java and compiles the program, unless that was done already.
#
#     install.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
jars=(HikariCP commons-dbcp2 commons-pool2 commons-logging c3p0 tomcat9-jdbc tomcat9-juli postgresql slf4j-api slf4j-nop gson)
packages=(default-jdk-headless libhikaricp-java libcommons-dbcp2-java libc3p0-java libtomcat9-java libpostgresql-jdbc-java
  libslf4j-java libgoogle-gson-java)

complete() {
  command -v javac > /dev/null || return 1
  local jar
  for jar in "${jars[@]}"; do [ -e "/usr/share/java/$jar.jar" ] || return 1; done
}

complete || "$here/../apt.sh" "${packages[@]}"
complete

mkdir -p "$1"
folder=$(cd "$1" && pwd)
sources=$(cat "$here"/src/*.java | sha256sum)
if [ "$sources" != "$(cat "$folder/compiled.txt" 2> /dev/null || true)" ]; then
  rm -rf "$folder/new"
  path=$(printf '/usr/share/java/%s.jar:' "${jars[@]}")
  javac -Xlint:all,-processing,-classfile,-path -Werror -d "$folder/new" -cp "$path" "$here"/src/*.java
  rm -rf "$folder/classes"
  mv "$folder/new" "$folder/classes"
  echo "$path$folder/classes" > "$folder/classpath.txt"
  echo "$sources" > "$folder/compiled.txt"
fi
