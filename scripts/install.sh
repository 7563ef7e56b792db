#!/usr/bin/env bash
# Brings the agent of a ComfyUI model hub to this machine, starts it and waits until it is connected.
# Rendered by the hub: curl -fsSL https://HUB/remote/install.sh | bash
#
#   options (after "bash -s --"), each also as an environment variable, and kept for the next time:
#     --dir DIR                 where the agent lives                    COMFY_AGENT_DIR
#     --comfy-dir DIR           ComfyUI's folder                         COMFY_AGENT_COMFY_DIR
#     --models-dir DIR          the folder of models                     COMFY_AGENT_MODELS_DIR
#     --parallel N              models at once                           COMFY_AGENT_PARALLEL
#     --ca-file FILE            a private certificate authority          COMFY_AGENT_CA_FILE
#     --allow-private-sources   sources may be private addresses         COMFY_AGENT_ALLOW_PRIVATE_SOURCES=1
#     --allow-linked-folders    models go through links of yours, too    COMFY_AGENT_ALLOW_LINKED_FOLDERS=1
#   --foreground  stays in front      --status  how it is      --uninstall [--purge]  takes it away again
#
# The key is asked for on the terminal, or taken from COMFY_HUB_KEY. It is kept in DIR/key, readable by
# its owner only, and never is an argument of a program. Models are never removed.
#
#   exit codes: 0 connected; 2 usage; 10 system; 11 missing tool; 12 address; 13 no key; 14 malformed key; 15 no usable
#   folder; 16 no room; 20 key refused; 21 hub not reachable; 22 checksum; 23 the program does not run; 30 not in time
# shellcheck disable=SC2034,SC2154 # install-service.sh uses some of these variables, and sets others

# All of it is one group: the shell runs nothing of it before it has read the last line.
{
set +x
set -euo pipefail
umask 077

hub_url='@HUB_URL@'
agent_sha256='@AGENT_SHA256@'
agent_sha256_aarch64='@AGENT_SHA256_AARCH64@'

needed_kib=204800
patience_s=20
unit=/etc/systemd/system/comfy-agent.service
arguments=()
started=''

say() { printf '%s\n' "$*" >&2; }

# fail CODE TEXT…: the one way out when something is wrong.
fail() {
    local code=$1
    shift
    say "comfy-agent: $*"
    exit "$code"
}

has() { command -v "$1" >/dev/null 2>&1; }

usage() {
    fail 2 "$1. Options: --dir DIR, --comfy-dir DIR, --models-dir DIR, --parallel N, --ca-file FILE," \
        "--allow-private-sources, --allow-linked-folders, --foreground, --status, --uninstall, --purge"
}

read_options() {
    action=install foreground='' purge=''
    dir=${COMFY_AGENT_DIR-} comfy_dir=${COMFY_AGENT_COMFY_DIR-} models_dir=${COMFY_AGENT_MODELS_DIR-}
    parallel=${COMFY_AGENT_PARALLEL-} ca_file=${COMFY_AGENT_CA_FILE-}
    private=${COMFY_AGENT_ALLOW_PRIVATE_SOURCES-} linked=${COMFY_AGENT_ALLOW_LINKED_FOLDERS-}
    while [ $# -gt 0 ]; do
        case $1 in
            --dir | --comfy-dir | --models-dir | --parallel | --ca-file)
                [ -n "${2-}" ] || usage "$1 needs a value"
                case $1 in
                    --dir) dir=$2 ;;
                    --comfy-dir) comfy_dir=$2 ;;
                    --models-dir) models_dir=$2 ;;
                    --parallel) parallel=$2 ;;
                    --ca-file) ca_file=$2 ;;
                esac
                shift
                ;;
            --allow-private-sources) private=1 ;;
            --allow-linked-folders) linked=1 ;;
            --foreground) foreground=1 ;;
            --status) action=status ;;
            --uninstall) action=uninstall ;;
            --purge) purge=1 ;;
            *) usage "unknown option: $1" ;;
        esac
        shift
    done
    case $parallel in *[!0-9]*) usage "--parallel needs a number" ;; esac
    # A line each is kept, so no value may hold more than one.
    case $dir$comfy_dir$models_dir$ca_file in *$'\n'*) usage "a path may not hold a line break" ;; esac
}

# absolute NAME: makes the path in a variable absolute, because the agent starts elsewhere later.
absolute() {
    local value=${!1}
    case $value in '' | /*) ;; *) printf -v "$1" '%s/%s' "$PWD" "$value" ;; esac
}

# What an earlier run was told and this one was not.
read_config() {
    local name value
    local config=$home/config
    [ -r "$config" ] || config=$dir/config
    [ -r "$config" ] || return 0
    while IFS='=' read -r name value; do
        case $name in
            comfy_dir) comfy_dir=${comfy_dir:-$value} ;;
            models_dir) models_dir=${models_dir:-$value} ;;
            parallel) parallel=${parallel:-$value} ;;
            ca_file) ca_file=${ca_file:-$value} ;;
            private) private=${private:-$value} ;;
            linked) linked=${linked:-$value} ;;
        esac
    done <"$config"
}

write_config() {
    local name
    for name in comfy_dir models_dir parallel ca_file private linked; do printf '%s=%s\n' "$name" "${!name}"; done \
        >"$home/config.new"
    mv -f "$home/config.new" "$home/config"
}

# usable DIR: it can be made, written to, and programs run from it.
usable() {
    local probe=$1/.probe.$$ made='' runs=''
    why="it can't be made"
    [ -d "$1" ] || made=1
    mkdir -p "$1" 2>/dev/null || return 1
    why="it can't be written to"
    if printf '#!%s\nexit 0\n' "$BASH" 2>/dev/null >"$probe" && chmod 700 "$probe" 2>/dev/null; then
        why="no program may run from it (noexec)"
        if "$probe" </dev/null >/dev/null 2>&1; then runs=1; fi
    fi
    rm -f "$probe" 2>/dev/null || :
    [ -n "$runs" ] && return 0
    [ -z "$made" ] || rmdir "$1" 2>/dev/null || :
    return 1
}

# Places for the agent, the best first: rented machines keep /workspace.
places() {
    [ ! -d /workspace ] || echo /workspace/.comfy-agent
    [ -z "${HOME-}" ] || echo "$HOME/.comfy-agent"
    echo /opt/comfy-agent
}

find_installed() {
    local place
    [ -z "$dir" ] || return 0
    while IFS= read -r place; do
        if [ -e "$place/config" ]; then dir=$place; return 0; fi
    done < <(places)
}

choose_dir() {
    local place why='' reasons=''
    find_installed
    if [ -n "$dir" ]; then
        usable "$dir" || fail 15 "the folder $dir can't be used: $why. Name another one with --dir"
    else
        while IFS= read -r place; do
            if usable "$place"; then dir=$place; break; fi
            reasons="$reasons $place: $why;"
        done < <(places)
        [ -n "$dir" ] || fail 15 "no folder can be used:$reasons name one with --dir"
    fi
    find_home
    check_ours
}

check_room() {
    local free
    has df || return 0
    free=$(df -Pk "$dir" 2>/dev/null | { read -r _; read -r _ _ _ free _; echo "$free"; }) || return 0
    case $free in '' | *[!0-9]*) return 0 ;; esac
    [ "$free" -ge "$needed_kib" ] ||
        fail 16 "$dir has $((free / 1024)) MB free and needs $((needed_kib / 1024)) MB"
}

check_machine() {
    case "$(uname -s) on $(uname -m)" in
        'Linux on x86_64' | 'Linux on amd64') target=x86_64-linux ;;
        'Linux on aarch64' | 'Linux on arm64') target=aarch64-linux agent_sha256=$agent_sha256_aarch64 ;;
        *) fail 10 "the agent is for Linux on x86_64 and aarch64; this is $(uname -s) on $(uname -m)" ;;
    esac
    client=''
    if has curl; then
        client=curl
    elif has wget && case $(wget --version 2>/dev/null) in *'GNU Wget'*) true ;; *) false ;; esac; then
        client=wget
    fi
    [ -n "$client" ] || fail 11 "needs curl or GNU wget: install one of them"
    has sha256sum || fail 11 "needs sha256sum: install coreutils"
    case $hub_url in
        https://?*) ;;
        http://localhost | http://localhost[:/]* | http://127.* | http://\[::1\]*)
            # 127.0.0.1.example.com is somebody's name.
            case ${hub_url#http://127.} in
                "$hub_url") ;;
                *[!0-9.:]*) fail 12 "the hub's address $hub_url is no loopback address and not https" ;;
            esac
            ;;
        *) fail 12 "the hub's address $hub_url is not https (only loopback addresses may be http)" ;;
    esac
}

read_key() {
    key=${COMFY_HUB_KEY-}
    # Nothing that is started from here on inherits it.
    unset COMFY_HUB_KEY
    if [ -z "$key" ] && { : </dev/tty; } 2>/dev/null; then
        local hint=''
        [ ! -s "$home/key" ] || hint=' (Enter keeps the one from before)'
        printf 'Key of the session, from the hub'\''s Remote page%s: ' "$hint" >/dev/tty
        IFS= read -rs key </dev/tty || :
        printf '\n' >/dev/tty
    fi
    if [ -z "$key" ] && [ -s "$home/key" ]; then IFS= read -r key <"$home/key" || :; fi
    key=${key//[$' \t\r\n']/}
    [ -n "$key" ] || fail 13 "no key: run this in a terminal, or set COMFY_HUB_KEY"
    [[ $key =~ ^chk_[0-9a-f]{64}$ ]] ||
        fail 14 "this is no key: a key is chk_ and 64 digits from 0-9a-f. Copy the whole of it"
}

# get PATH FILE [key]: fetches, leaves the HTTP status in $status ("" without an answer), the tool's exit
# code in $code. The key goes through a pipe or a nameless file: arguments and files are seen by others.
get() {
    local url=$hub_url$1 file=$2 secret='' options=()
    status='' code=0
    if [ "$client" = curl ]; then
        [ -z "${3-}" ] || secret="header = \"Authorization: Bearer $key\""
        [ -z "$ca_file" ] || options=(--cacert "$ca_file")
        status=$(printf '%s\n' "$secret" | curl -q -sS -K - --connect-timeout 15 --speed-time 60 --speed-limit 100 \
            "${options[@]}" -o "$file" -w '%{http_code}' "$url" 2>"$work/said") || code=$?
        [ "$status" != 000 ] || status=''
    else
        [ -z "${3-}" ] || secret="header = Authorization: Bearer $key"
        [ -z "$ca_file" ] || options=(--ca-certificate="$ca_file")
        # wget reads only a regular file: one that has no name any more before the key is in it.
        (
            note=$(mktemp "$work/note.XXXXXX")
            exec 9<>"$note" && rm -f "$note" && printf '%s\n' "$secret" >&9
            exec wget --config=/dev/fd/9 -nv -S --content-on-error --max-redirect=0 --tries=1 --timeout=60 \
                "${options[@]}" -O "$file" "$url"
        ) 2>"$work/said" || code=$?
        local line
        while IFS= read -r line; do
            [[ $line =~ HTTP/[0-9.]+[[:space:]]+([0-9]{3}) ]] && status=${BASH_REMATCH[1]}
        done <"$work/said"
    fi
    return 0
}

# Whether a file is the hub's own word.
is_ours() { [ -s "$1" ] && grep -q '"app" *: *"comfy-hub"' "$1"; }

# The hub's own words in a refusal.
detail_of() { sed -n 's/.*"detail" *: *"\([^"]*\)".*/\1/p' "$1"; }

# Why there was no answer at all.
explain_silence() {
    local why cause=$client:$code
    if [ "$cause" = wget:4 ] && grep -q 'resolve' "$work/said"; then cause=curl:6; fi
    case $cause in
        curl:6 | curl:5) why="the name of $hub_url can't be resolved: check the address and this machine's DNS" ;;
        curl:35 | curl:51 | curl:58 | curl:60 | curl:77 | curl:83 | wget:5)
            why="the certificate of $hub_url is not trusted: check this machine's clock ($(date -u 2>/dev/null || :)), install ca-certificates, or name a private authority with --ca-file" ;;
        *) why="nothing answers at $hub_url: is the tunnel up, and a session enabled on the hub?" ;;
    esac
    fail 21 "$why ($(tail -n 1 "$work/said" 2>/dev/null || :))"
}

# judge FILE WHAT: an answer with the key that was not what it should be.
judge() {
    if [ -z "$status" ]; then explain_silence; fi
    if is_ours "$1"; then
        [ "$status" != 401 ] || fail 20 "the hub refuses the key: $(detail_of "$1")"
        fail 21 "the hub can't give $2: $(detail_of "$1")"
    fi
    # wget keeps no body of a 401; that this is the hub, its health has just told.
    [ "$client:$status" != wget:401 ] || fail 20 "the hub refuses the key: copy it again from its Remote page"
    fail 21 "something other than the hub answers at $hub_url (HTTP $status): is the tunnel up, and a session enabled?"
}

check_hub() {
    get /remote/v1/health "$work/health"
    if [ -z "$status" ]; then explain_silence; fi
    if [ "$status" != 200 ] || ! is_ours "$work/health"; then
        fail 21 "something other than the hub answers at $hub_url (HTTP $status): is the tunnel up, and a session enabled?"
    fi
    # Nothing is there, and only who has the key is told so.
    get /remote/v1/ "$work/nothing" key
    if [ "$status" != 404 ] || ! is_ours "$work/nothing"; then judge "$work/nothing" "an answer"; fi
}

sum_of() { sha256sum <"$1" | { read -r sum _ && printf '%s' "$sum"; }; }

fetch_agent() {
    [ -n "$agent_sha256" ] ||
        fail 21 "the hub has no agent for $target: its Remote page says what to do. Then run the line again"
    if [ -x "$dir/agent" ] && [ "$(sum_of "$dir/agent")" = "$agent_sha256" ]; then
        program=$dir/agent
    else
        program=$work/agent
        say "fetching the agent"
        get "/remote/v1/agent/$target" "$program" key
        [ "$status" = 200 ] || judge "$program" "the agent"
        [ "$code" = 0 ] || fail 21 "the connection broke while the agent was fetched: run the line again"
        [ "$(sum_of "$program")" = "$agent_sha256" ] ||
            fail 22 "what came is not the agent (checksum differs): run the line again; a proxy may have changed it"
    fi
    chmod 700 "$program"
    local said
    said=$("$program" --version 2>&1 </dev/null) || fail 23 "the agent does not run here: ${said##*$'\n'}"
}

# @SERVICE@

install_agent() {
    check_machine
    choose_dir
    check_room
    read_config
    read_key
    if [ -z "$comfy_dir" ]; then
        if [ -d /workspace ]; then comfy_dir=/workspace/ComfyUI; else comfy_dir=${HOME:-/root}/ComfyUI; fi
    fi
    work=$(mktemp -d "$dir/.install.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    check_hub
    fetch_agent
    stop_agent
    mkdir -p "$home/state" "$comfy_dir"
    # From here on what has these names in the folder is the agent's.
    [ -z "$home_is" ] || machine_name >"$home/machine"
    chmod 700 "$dir" "$home" 2>/dev/null || :
    # A new file each time: the old one may be open, or have other permissions.
    printf '%s\n' "$key" >"$home/key.new"
    mv -f "$home/key.new" "$home/key"
    unset key
    [ "$program" = "$dir/agent" ] || mv -f "$program" "$dir/agent"
    write_config
    : >"$home/agent.log"
    { IFS= read -r instance </proc/sys/kernel/random/uuid; } 2>/dev/null || instance=$$-$RANDOM$RANDOM
    agent_arguments
    if [ -n "$foreground" ]; then
        rm -rf "$work"
        trap - EXIT
        export COMFY_HUB_KEY_FILE=$home/key
        exec "$dir/agent" "${arguments[@]}" </dev/null
    fi
    start_agent
    await_connection
}

show_status() {
    find_installed
    if [ -z "$dir" ] || [ ! -x "$dir/agent" ]; then fail 1 "no agent is installed here"; fi
    find_home
    exec "$dir/agent" status --state-dir "$home/state" </dev/null
}

uninstall_agent() {
    find_installed
    if [ -z "$dir" ] || [ ! -d "$dir" ]; then fail 1 "no agent is installed here"; fi
    find_home
    check_ours
    stop_agent
    if [ -e "$unit" ] && has_systemd; then
        systemctl disable --quiet comfy-agent.service >/dev/null 2>&1 || :
        rm -f "$unit"
        systemctl daemon-reload || :
    fi
    # By name, in a folder that is the agent's: whatever else lies in it is somebody's.
    rm -f "$home/key" "$home/agent.log" "$home/agent.pid"
    # The program is also that of the other machines on this volume.
    local others='' place
    for place in "$dir" "$dir"/machines/*; do
        if [ "$place" != "$home" ] && [ -e "$place/key" ]; then others=1; fi
    done
    [ -n "$others" ] || rm -f "$dir/agent"
    if [ -n "$purge" ]; then
        rm -f "$home/config" "$home/machine"
        rm -rf "$home/state"
        rmdir "$home" "$dir/machines" "$dir" 2>/dev/null || :
        say "removed; models and ComfyUI are untouched"
    else
        say "removed; its memory of jobs stays in $home (--purge removes it), models and ComfyUI are untouched"
    fi
}

read_options "$@"
absolute dir
absolute comfy_dir
absolute models_dir
absolute ca_file
case $action in
    install) install_agent ;;
    status) show_status ;;
    uninstall) uninstall_agent ;;
esac
exit 0
}
