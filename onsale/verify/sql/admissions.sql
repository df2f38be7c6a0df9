-- What the queue did, in its own order.
SELECT seq, (extract(epoch FROM at) * 1000000)::bigint AS at_us, first, last, return_first, return_last, admitted
  FROM admission_log WHERE event_id = :event_id ORDER BY at, seq
