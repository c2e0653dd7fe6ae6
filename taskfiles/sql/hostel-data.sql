-- Synthetic data for the hostel's schema. Deterministic: no clock, no random(); the same size gives the same rows.
-- Before this, the caller fills   CREATE TEMP TABLE size (bookings INTEGER)   with one row.
--
-- Nobody here exists. Columns named *_encrypted hold the shape the services write, base64 iv:tag:ciphertext, made from
-- hashes; e-mail addresses end in example.org, telephone numbers, addresses and documents are made from counters.
-- base64() and sha3() belong to the command line shell.

PRAGMA foreign_keys = ON;
BEGIN;

INSERT INTO users (username, password, created_at) VALUES ('synthetic_admin', 'synthetic_password', NULL);

-- Three dormitories of eight.
INSERT INTO beds (bed_number, room_number, room_name, room_type, price_per_night, currency, is_available, status,
                  last_cleaned_at, maintenance_notes, created_at, updated_at)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 24)
SELECT i, (i + 7) / 8, 'Dormitorio ' || substr('ABC', (i + 7) / 8, 1), 'dormitory', 15.00, 'EUR', i <> 17,
       iif(i = 17, 'maintenance', 'available'), '2026-06-30T11:15:00+00:00',
       iif(i = 17, 'Somier roto, pendiente de recambio', NULL), '2018-01-01T08:00:00+00:00', '2026-06-30T11:15:00+00:00'
FROM n;

INSERT INTO pricing (room_type, bed_type, price_per_night, currency, is_active, created_at, updated_at) VALUES
  ('dormitory', 'litera', 15.00, 'EUR', 1, '2018-01-01T08:00:00+00:00', '2018-01-01T08:00:00+00:00'),
  ('dormitory', 'litera_verano', 17.00, 'EUR', 1, '2018-01-01T08:00:00+00:00', '2018-01-01T08:00:00+00:00'),
  ('dormitory', 'litera_semana_santa', 18.00, 'EUR', 0, '2018-01-01T08:00:00+00:00', '2023-02-01T08:00:00+00:00'),
  ('private', 'doble', 35.00, 'EUR', 1, '2018-01-01T08:00:00+00:00', '2018-01-01T08:00:00+00:00');

-- Where pilgrims come from; weight in percent, Spaniards first.
CREATE TEMP TABLE origin (low INTEGER, high INTEGER, country TEXT, language TEXT, prefix TEXT, document TEXT);
INSERT INTO origin VALUES
  (0, 51, 'ESP', 'es', '+34', 'NIF'), (52, 61, 'PRT', 'pt', '+351', 'PAS'), (62, 70, 'FRA', 'fr', '+33', 'PAS'),
  (71, 79, 'DEU', 'de', '+49', 'PAS'), (80, 86, 'ITA', 'it', '+39', 'PAS'), (87, 90, 'NLD', 'nl', '+31', 'PAS'),
  (91, 93, 'USA', 'en', '+1', 'PAS'), (94, 95, 'KOR', 'ko', '+82', 'PAS'), (96, 97, 'GBR', 'en', '+44', 'PAS'),
  (98, 99, 'COL', 'es', '+57', 'NIE');

CREATE TEMP TABLE province (id INTEGER PRIMARY KEY, name TEXT, postal INTEGER);
INSERT INTO province VALUES
  (0, 'Badajoz', 6), (1, 'Cáceres', 10), (2, 'Sevilla', 41), (3, 'Salamanca', 37), (4, 'Madrid', 28), (5, 'Huelva', 21),
  (6, 'Córdoba', 14), (7, 'Zamora', 49), (8, 'A Coruña', 15), (9, 'Barcelona', 8), (10, 'València', 46), (11, 'Bizkaia', 48);

-- Three pilgrims for five bookings: some come back, and some book for a small group.
INSERT INTO pilgrims (first_name_encrypted, last_name1_encrypted, last_name2_encrypted, birth_date_encrypted,
                      document_type, document_number_encrypted, document_support, gender, nationality, phone_encrypted,
                      email_encrypted, address_country, address_street_encrypted, address_street2_encrypted,
                      address_city_encrypted, address_postal_code, address_province, address_municipality_code,
                      language, consent_given, consent_date, data_retention_until, last_access_date, created_at,
                      updated_at)
WITH RECURSIVE
  n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < max(1, (SELECT bookings FROM size) * 3 / 5)),
  -- 64 hashed bytes per kind of value: 12 for the iv, 16 for the tag, up to 36 of ciphertext.
  h AS MATERIALIZED (
    SELECT i, (i * 7919 + i / 13) % 100 AS spread, (i * 6151) % 12 AS place,
           sha3('first' || i, 512) AS a, sha3('last1' || i, 512) AS b, sha3('last2' || i, 512) AS c,
           sha3('birth' || i, 512) AS d, sha3('document' || i, 512) AS e, sha3('phone' || i, 512) AS f,
           sha3('mail' || i, 512) AS g, sha3('street' || i, 512) AS s, sha3('city' || i, 512) AS t,
           datetime('2017-12-01', '+' || (i * 86400 / 10) || ' seconds') AS made
    FROM n)
SELECT
  base64(substr(a, 1, 12)) || ':' || base64(substr(a, 13, 16)) || ':' || base64(substr(a, 29, 4 + i % 8)),
  base64(substr(b, 1, 12)) || ':' || base64(substr(b, 13, 16)) || ':' || base64(substr(b, 29, 5 + i % 9)),
  iif(country = 'ESP',
      base64(substr(c, 1, 12)) || ':' || base64(substr(c, 13, 16)) || ':' || base64(substr(c, 29, 5 + i % 7)), NULL),
  base64(substr(d, 1, 12)) || ':' || base64(substr(d, 13, 16)) || ':' || base64(substr(d, 29, 10)),
  document,
  base64(substr(e, 1, 12)) || ':' || base64(substr(e, 13, 16)) || ':' || base64(substr(e, 29, 9)),
  iif(document = 'PAS', NULL, printf('BA%07d', i)),
  iif(i % 9 < 5, 'H', 'M'), country,
  base64(substr(f, 1, 12)) || ':' || base64(substr(f, 13, 16)) || ':' || base64(substr(f, 29, 9 + length(prefix))),
  iif(i % 6 = 0, NULL,
      base64(substr(g, 1, 12)) || ':' || base64(substr(g, 13, 16)) || ':' || base64(substr(g, 29, 20 + i % 12))),
  country,
  base64(substr(s, 1, 12)) || ':' || base64(substr(s, 13, 16)) || ':' || base64(substr(s, 29, 16 + i % 20)),
  NULL,
  base64(substr(t, 1, 12)) || ':' || base64(substr(t, 13, 16)) || ':' || base64(substr(t, 29, 6 + i % 14)),
  iif(country = 'ESP', printf('%02d%03d', postal, i % 900), printf('%05d', i * 37 % 99999)),
  iif(country = 'ESP', name, NULL), iif(country = 'ESP', printf('%02d%03d', postal, 1 + i % 250), NULL),
  language, i % 20 <> 0, iif(i % 20 <> 0, replace(made, ' ', 'T') || '+00:00', NULL),
  replace(datetime(made, '+3 years'), ' ', 'T') || '+00:00', replace(datetime(made, '+9 days'), ' ', 'T') || '+00:00',
  replace(made, ' ', 'T') || '+00:00', replace(datetime(made, '+9 days'), ' ', 'T') || '+00:00'
FROM h JOIN origin ON spread BETWEEN low AND high JOIN province ON province.id = place
ORDER BY i;

-- base64() ends its text with a line feed, and so did every part above.
UPDATE pilgrims SET
  first_name_encrypted = replace(first_name_encrypted, char(10), ''),
  last_name1_encrypted = replace(last_name1_encrypted, char(10), ''),
  last_name2_encrypted = replace(last_name2_encrypted, char(10), ''),
  birth_date_encrypted = replace(birth_date_encrypted, char(10), ''),
  document_number_encrypted = replace(document_number_encrypted, char(10), ''),
  phone_encrypted = replace(phone_encrypted, char(10), ''),
  email_encrypted = replace(email_encrypted, char(10), ''),
  address_street_encrypted = replace(address_street_encrypted, char(10), ''),
  address_city_encrypted = replace(address_city_encrypted, char(10), '');

-- Each bed is let in rounds of three days: one or two nights, then one night. No two bookings of a bed overlap, and
-- the last rounds are still to come. Cancelled and expired bookings have no bed.
CREATE TEMP TABLE stay AS
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < (SELECT bookings FROM size))
SELECT i, i % 24 + 1 AS bed, i / 24 AS slot,
       iif(i / 24 % 2 = 0, 1 + i % 7 % 2, 1) AS nights,
       date('2018-01-02', '+' || (i / 48 * 3 + i / 24 % 2 * 2) || ' days') AS arrival,
       CASE WHEN (SELECT bookings FROM size) - i <= 24 THEN 'reserved'
            WHEN (SELECT bookings FROM size) - i <= 96 THEN 'confirmed'
            WHEN (SELECT bookings FROM size) - i <= 120 THEN 'checked_in'
            WHEN i * 31 % 97 < 6 THEN 'cancelled'
            WHEN i * 31 % 97 < 9 THEN 'expired'
            ELSE 'checked_out' END AS status,
       iif(i % 11 = 0, 2, 1) AS persons,
       unicode(substr(hex(sha3('booking' || i, 256)), 1, 1)) % 16 AS choice
FROM n;

INSERT INTO bookings (pilgrim_id, reference_number, check_in_date, check_out_date, number_of_nights, number_of_persons,
                      number_of_rooms, has_internet, status, bed_assignment_id, estimated_arrival_time, notes,
                      total_amount, reservation_expires_at, payment_deadline, auto_cleanup_processed, created_at,
                      updated_at)
SELECT 1 + i * 7 % max(1, (SELECT bookings FROM size) * 3 / 5),
       'ALB-' || substr(arrival, 1, 4) || '-' || printf('%06d', i + 1), arrival, date(arrival, '+' || nights || ' days'),
       nights, persons, 1, 0, status, iif(status IN ('cancelled', 'expired'), NULL, bed),
       printf('%02d:%02d', 13 + choice % 7, choice * 15 % 60),
       CASE choice
         WHEN 0 THEN 'Llega en bicicleta, necesita sitio para guardarla.'
         WHEN 1 THEN 'Prefiere litera de abajo por una lesión de rodilla.'
         WHEN 2 THEN 'Alergia a los frutos secos, avisar a la cocina.'
         WHEN 3 THEN 'Camina con su perro; se le ha explicado que duerme en el patio.'
         WHEN 4 THEN 'Sale antes de las seis de la mañana hacia la siguiente etapa de la Vía de la Plata.'
         WHEN 5 THEN 'Viene del Camino desde Sevilla, credencial sellada en la etapa anterior.'
       END,
       15.00 * nights * persons, arrival || 'T02:00:00+00:00', arrival || 'T12:00:00+00:00', status = 'expired',
       arrival || 'T00:00:00+00:00', arrival || 'T18:30:00+00:00'
FROM stay ORDER BY i;

-- Every booking that was not cancelled or left to expire has a payment; those to come are still owed.
INSERT INTO payments (booking_id, amount, payment_type, payment_status, currency, receipt_number, payment_date,
                      payment_deadline, transaction_id, gateway_response, created_at, updated_at)
SELECT id, total_amount, CASE id % 5 WHEN 0 THEN 'TARJT' WHEN 1 THEN 'TARJT' WHEN 2 THEN 'MOVIL' ELSE 'EFECT' END,
       iif(status = 'reserved', 'awaiting_payment', 'paid'), 'EUR',
       iif(status = 'reserved', NULL, printf('R-%s-%06d', substr(check_in_date, 1, 4), id)),
       iif(status = 'reserved', NULL, check_in_date || 'T17:45:00+00:00'), payment_deadline,
       iif(id % 5 < 3 AND status <> 'reserved', 'tx_' || lower(substr(hex(sha3('payment' || id, 256)), 1, 24)), NULL),
       iif(id % 5 < 3 AND status <> 'reserved',
           '{"result":"approved","network":"synthetic","amount_cents":' || CAST(total_amount * 100 AS INTEGER) || '}', NULL),
       created_at, updated_at
FROM bookings WHERE status NOT IN ('cancelled', 'expired') ORDER BY id;

-- The report of travellers to the ministry, for every tenth booking.
INSERT INTO government_submissions (booking_id, xml_content, submission_status, response_data, attempts, last_attempt,
                                    created_at)
SELECT id,
       '<?xml version="1.0" encoding="UTF-8"?><solicitud><codigoEstablecimiento>0000000000</codigoEstablecimiento>' ||
       '<comunicacion><contrato><referencia>' || reference_number || '</referencia><fechaContrato>' || check_in_date ||
       '</fechaContrato><fechaEntrada>' || check_in_date || 'T18:00:00</fechaEntrada><fechaSalida>' || check_out_date ||
       'T08:00:00</fechaSalida><numPersonas>' || number_of_persons || '</numPersonas><pago><tipoPago>EFECT</tipoPago>' ||
       '</pago></contrato><persona><rol>VI</rol><nombre>SINTÉTICO</nombre><apellido1>PEREGRINO ' || pilgrim_id ||
       '</apellido1></persona></comunicacion></solicitud>',
       'success', '{"lote":"' || lower(substr(hex(sha3('lot' || id, 256)), 1, 32)) || '","estado":1}', 1,
       check_in_date || 'T20:05:00+00:00', check_in_date || 'T20:00:00+00:00'
FROM bookings WHERE status = 'checked_out' AND id % 10 = 0 ORDER BY id;

INSERT INTO notifications (booking_id, pilgrim_id, channel, recipient, subject, message, status, provider_message_id,
                           sent_at, created_at)
SELECT id, pilgrim_id, iif(id % 3 = 0, 'sms', 'email'),
       iif(id % 3 = 0, printf('+34 600 %03d %03d', pilgrim_id / 1000 % 1000, pilgrim_id % 1000),
           'peregrino' || pilgrim_id || '@example.org'),
       iif(id % 3 = 0, NULL, 'Tu reserva ' || reference_number || ' en el albergue'),
       'Buen Camino. Tu reserva ' || reference_number || ' para el ' || check_in_date || ' está registrada: ' ||
       number_of_nights || ' noche(s), ' || printf('%.2f', total_amount) || ' EUR. La puerta abre a las 13:00.',
       'delivered', 'msg_' || lower(substr(hex(sha3('message' || id, 256)), 1, 20)), created_at, created_at
FROM bookings WHERE id % 5 = 0 ORDER BY id;

INSERT INTO audit_log (table_name, record_id, action, old_values, new_values, user_id, ip_address, user_agent,
                       created_at)
SELECT 'bookings', id, 'UPDATE', '{"status":"confirmed"}', '{"status":"' || status || '"}', 1,
       '192.0.2.' || (1 + id % 254), 'albergue-service (recepción)', updated_at
FROM bookings WHERE id % 8 = 0 ORDER BY id;

DROP TABLE temp.stay;
DROP TABLE temp.origin;
DROP TABLE temp.province;
COMMIT;

-- The rows that lost their line feeds left gaps.
VACUUM;
