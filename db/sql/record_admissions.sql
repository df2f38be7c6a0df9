-- Writes runs of the queue once. Raw: any number of rows in one round trip, from one JSON parameter.
INSERT INTO admission_log (event_id, seq, first, last, return_first, return_last, admitted, passed, at)
SELECT event_id, seq, first, last, return_first, return_last, admitted, passed, at
  FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS run (
       event_id bigint, seq bigint, first bigint, last bigint, return_first bigint, return_last bigint,
       admitted integer, passed jsonb, at timestamptz)
ON CONFLICT DO NOTHING
