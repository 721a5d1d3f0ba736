-- Every unit of the standard has its symbol, those of the United Kingdom and the United States among them.

CREATE OR REPLACE FUNCTION unit_symbol(unit int2) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE unit
        WHEN 1 THEN 'a' WHEN 2 THEN 'mo' WHEN 3 THEN 'wk' WHEN 4 THEN 'd' WHEN 5 THEN 'h' WHEN 6 THEN 'min'
        WHEN 7 THEN 's' WHEN 8 THEN '°' WHEN 9 THEN '°C' WHEN 10 THEN 'currency' WHEN 11 THEN 'm' WHEN 12 THEN 'm/s'
        WHEN 13 THEN 'm³' WHEN 14 THEN 'm³' WHEN 15 THEN 'm³/h' WHEN 16 THEN 'm³/h' WHEN 17 THEN 'm³/d'
        WHEN 18 THEN 'm³/d' WHEN 19 THEN 'l' WHEN 20 THEN 'kg' WHEN 21 THEN 'N' WHEN 22 THEN 'Nm' WHEN 23 THEN 'Pa'
        WHEN 24 THEN 'bar' WHEN 25 THEN 'J' WHEN 26 THEN 'J/h' WHEN 27 THEN 'W' WHEN 28 THEN 'VA' WHEN 29 THEN 'var'
        WHEN 30 THEN 'Wh' WHEN 31 THEN 'VAh' WHEN 32 THEN 'varh' WHEN 33 THEN 'A' WHEN 34 THEN 'C' WHEN 35 THEN 'V'
        WHEN 36 THEN 'V/m' WHEN 37 THEN 'F' WHEN 38 THEN 'Ω' WHEN 39 THEN 'Ωm' WHEN 40 THEN 'Wb' WHEN 41 THEN 'T'
        WHEN 42 THEN 'A/m' WHEN 43 THEN 'H' WHEN 44 THEN 'Hz' WHEN 45 THEN '1/Wh' WHEN 46 THEN '1/varh'
        WHEN 47 THEN '1/VAh' WHEN 48 THEN 'V²h' WHEN 49 THEN 'A²h' WHEN 50 THEN 'kg/s' WHEN 51 THEN 'S'
        WHEN 52 THEN 'K' WHEN 53 THEN '1/V²h' WHEN 54 THEN '1/A²h' WHEN 55 THEN '1/m³' WHEN 56 THEN '%'
        WHEN 57 THEN 'Ah' WHEN 60 THEN 'Wh/m³' WHEN 61 THEN 'J/m³' WHEN 62 THEN 'mol%' WHEN 63 THEN 'g/m³'
        WHEN 64 THEN 'Pa s' WHEN 65 THEN 'J/kg' WHEN 66 THEN 'g/cm²' WHEN 67 THEN 'atm' WHEN 70 THEN 'dBm'
        WHEN 71 THEN 'dBµV' WHEN 72 THEN 'dB' WHEN 128 THEN 'in' WHEN 129 THEN 'ft' WHEN 130 THEN 'lb'
        WHEN 131 THEN '°F' WHEN 132 THEN '°R' WHEN 133 THEN 'in²' WHEN 134 THEN 'ft²' WHEN 135 THEN 'ac'
        WHEN 136 THEN 'in³' WHEN 137 THEN 'ft³' WHEN 138 THEN 'ac ft' WHEN 139 THEN 'gal (imp)'
        WHEN 140 THEN 'gal (US)' WHEN 141 THEN 'lbf' WHEN 142 THEN 'psi' WHEN 143 THEN 'lb/ft³'
        WHEN 144 THEN 'lb/(ft s)' WHEN 145 THEN 'ft²/s' WHEN 146 THEN 'Btu' WHEN 147 THEN 'thm (EC)'
        WHEN 148 THEN 'thm (US)' WHEN 149 THEN 'Btu/lb' WHEN 150 THEN 'Btu/ft³' WHEN 151 THEN 'ft³'
        WHEN 152 THEN 'ft/s' WHEN 153 THEN 'ft³/s' WHEN 154 THEN 'ft³/min' WHEN 155 THEN 'ft³/h' WHEN 156 THEN 'ft³/d'
        WHEN 157 THEN 'ac ft/s' WHEN 158 THEN 'ac ft/min' WHEN 159 THEN 'ac ft/h' WHEN 160 THEN 'ac ft/d'
        WHEN 161 THEN 'gal (imp)' WHEN 162 THEN 'gal (imp)/s' WHEN 163 THEN 'gal (imp)/min'
        WHEN 164 THEN 'gal (imp)/h' WHEN 165 THEN 'gal (imp)/d' WHEN 166 THEN 'gal (US)' WHEN 167 THEN 'gal (US)/s'
        WHEN 168 THEN 'gal (US)/min' WHEN 169 THEN 'gal (US)/h' WHEN 170 THEN 'gal (US)/d' WHEN 171 THEN 'Btu/s'
        WHEN 172 THEN 'Btu/min' WHEN 173 THEN 'Btu/h' WHEN 174 THEN 'Btu/d'
        ELSE '' END
$$;
