# Sourced by ./run: the meters of the demonstration, some of each type and on every kind of line.
# shellcheck shell=bash

# What stands on the screen, and the arguments of the simulator. The first one shows what can be ordered and heard.
media=(tcp udp gateway bus bluetooth households modbus readout ports relay pull calls)
declare -A title=(
    [tcp]="SED302 with modems of their own"
    [udp]="SM307 over UDP"
    [gateway]="SM306 behind a gateway to an RS485 bus"
    [bus]="SM120B2 on two RS485 buses of this machine"
    [bluetooth]="meters with Bluetooth behind bridges"
    [households]="households of a Huabang meter, DL/T 645 on a bus"
    [modbus]="households of a multi-user meter, Modbus RTU behind a gateway"
    [readout]="JOY311, IEC 62056-21 on a serial device"
    [ports]="MT371 behind a concentrator, each with a wrapper port"
    [relay]="MT371 behind a concentrator, by the gateway protocol"
    [pull]="MT371 that a concentrator reads by itself"
    [calls]="SED102 that call, behind carrier NAT"
)
declare -A arguments=(
    [tcp]="--model sed302 --count 200 --days 30 --security gmac"
    [udp]="--model sm307 --count 10 --days 2 --security lls --udp"
    [gateway]="--model sm306 --count 8 --days 2 --security gmac --hdlc 8 --hdlc-max-info 512 --hdlc-window 3"
    [bus]="--model sm120b2 --count 8 --days 1 --security gmac --hdlc 4 --hdlc-max-info 1024 --pty buses --bus-speed 115200"
    [bluetooth]="--model ble-lls --count 3 --days 2 --security lls --hdlc 1"
    [households]="--model huabang-single --count 40 --pty households --bus-speed 9600"
    [modbus]="--model multi-user-modbus --count 37"
    [readout]="--model joy311 --count 1 --pty readouts --bus-speed 9600"
    [ports]="--model mt371 --count 12 --days 1 --security lls --concentrator 12 --accelerate 60"
    [relay]="--model mt371 --count 12 --days 1 --security lls --concentrator 12 --backend gateway --accelerate 60"
    [pull]="--model mt371 --count 12 --days 1 --security none --concentrator 12 --backend p2lpc --accelerate 60"
    [calls]="--model sed102 --count 20 --days 2 --security gmac --call 127.0.0.1:4059"
)
declare -A simulators

# Serial numbers of one medium are apart from those of the others.
arguments_of() {
    local place
    for place in "${!media[@]}"; do
        [[ ${media[place]} != "$1" ]] || printf '%s --serial-base %d\n' "${arguments[$1]}" $((30000000 + place * 1000000))
    done
}

start_simulators() {
    local medium call
    for medium in "${media[@]}"; do
        read -ra call < <(arguments_of "$medium")
        background "$medium.log" "$bin/simulator" serve "${call[@]}" --port 0 --inventory "$medium.csv"
        simulators[$medium]=$!
    done
    for medium in "${media[@]}"; do
        wait_for 60 "the simulator of $medium" grep -q ' meters of ' "$medium.log"
    done
}

import() {
    local medium
    for medium in "${media[@]}"; do
        say "${title[$medium]}: $("$bin/amictl" meters import "$medium.csv")"
    done
}

# What is in the table of each medium, counted there, and how long it took.
media_rates() {
    local medium serials
    for medium in "${media[@]}"; do
        serials=$(cut -d, -f1 "$medium.csv" | tail -n +2 | paste -sd, -)
        say "${title[$medium]}: $(sql "
            WITH m AS (SELECT id FROM meter WHERE serial = ANY ('{$serials}')),
                j AS (SELECT * FROM job WHERE meter_id IN (SELECT id FROM m))
            SELECT (SELECT count(*) FROM m) || ' meters, '
                || (SELECT count(*) FROM profile_row WHERE meter_id IN (SELECT id FROM m)) || ' captures, '
                || (SELECT count(*) FROM register_row WHERE meter_id IN (SELECT id FROM m)) || ' registers in '
                || (SELECT round(extract(epoch FROM max(finished_at) - min(started_at)), 1) FROM j) || ' s, '
                || (SELECT count(*) FROM j WHERE state = 'failed') || ' reads failed'")"
    done
}

# Asks the database of the demonstration.
sql() {
    local socket
    socket=$(sed -n 5p database/postgres/postmaster.pid)
    psql --host "$socket" --username headend --no-psqlrc --tuples-only --no-align --field-separator ' ' --command "$1" headend
}
