-- What the queue did, in its own order.
SELECT seq, (extract(epoch FROM at) * 1000000)::bigint AS at_us, first, last, return_first, return_last, admitted,
       (SELECT coalesce(sum((one ->> 1)::bigint - (one ->> 0)::bigint + 1), 0)::bigint
          FROM jsonb_array_elements(passed) AS one) AS passed
  FROM admission_log WHERE event_id = :event_id ORDER BY seq
