-- The journal of joins is what a queue can have given: numbers of reserved blocks, in a row, in the order of their moments, none before
-- its block was reserved, nor after it was called or counted, nor beyond the count. The moments are the queue's clock's (:skew_seconds for another machine's).
-- A restored queue has lost joins it had not told yet; who proves such a number by token is written down after it, at that moment:
-- such a line (`late`) may be out of order, and below the last number skipped some may be missing.
WITH restored AS (
    SELECT at - :skew_seconds * interval '1 second' AS since, coalesce((body ->> 'issued')::bigint, 4294967296) AS issued
      FROM sale_log WHERE event_id = :event_id AND kind = 'queue_recovered'
), drawn AS (
    -- Runs call drawn numbers by others than people joined with.
    SELECT coalesce(max(size), 0) AS size FROM draws WHERE event_id = :event_id AND key IS NOT NULL
), lines AS (
    SELECT j.number, j.joined_at, coalesce(l.weight, 1) AS weight,
           EXISTS (SELECT FROM restored r WHERE j.number <= r.issued AND j.joined_at > r.since) AS late
      FROM join_journal j LEFT JOIN draw_lots l ON l.event_id = j.event_id AND l.first_number = j.number
     WHERE j.event_id = :event_id
), told AS (
    -- Joins and runs by number: the run that called a number is the earliest that ends at it or beyond.
    SELECT number, joined_at, weight, late, NULL::timestamptz AS called_at FROM lines
     UNION ALL
    SELECT last, NULL, NULL, NULL, at FROM admission_log, drawn WHERE event_id = :event_id AND last > drawn.size
), beside AS (
    SELECT number, joined_at, late,
           max(joined_at) FILTER (WHERE NOT late) OVER (ORDER BY number, called_at NULLS FIRST ROWS UNBOUNDED PRECEDING) AS newest,
           min(called_at) OVER (ORDER BY number DESC, called_at NULLS LAST ROWS UNBOUNDED PRECEDING) AS called_at
      FROM told
), in_a_row AS (
    SELECT number, lag(number + weight, 1, skipped.last + 1) OVER (ORDER BY number) AS wanted
      FROM lines CROSS JOIN (SELECT coalesce(max(issued), 0) AS last FROM restored) AS skipped
     WHERE number > skipped.last
)
SELECT format('number %s was given at %s, and a lower one at %s', number, joined_at, newest) AS what
  FROM beside WHERE joined_at < newest - :skew_seconds * interval '1 second'
UNION ALL
SELECT format('number %s was called at %s, and given at %s', b.number, b.called_at, b.joined_at)
  FROM beside b, drawn
 WHERE b.number > drawn.size AND NOT b.late AND b.joined_at > b.called_at + :skew_seconds * interval '1 second'
UNION ALL
SELECT format('number %s was given at %s, which is to come', number, joined_at)
  FROM lines WHERE joined_at > now() + :skew_seconds * interval '1 second'
UNION ALL
SELECT format('number %s was given at %s, and the block of it was %s', l.number, l.joined_at,
              coalesce('reserved at ' || b.reserved_at, 'never reserved'))
  FROM lines l
  LEFT JOIN LATERAL (SELECT n.last, n.reserved_at FROM number_blocks n
                      WHERE n.event_id = :event_id AND n.first <= l.number ORDER BY n.first DESC LIMIT 1) b
         ON b.last >= l.number
 WHERE b.last IS NULL OR l.joined_at < b.reserved_at - :skew_seconds * interval '1 second'
UNION ALL
SELECT format('number %s was given at %s, and the queue had given %s at %s', l.number, l.joined_at, q.issued, q.at)
  FROM lines l JOIN queue_checkpoints q ON q.event_id = :event_id
 WHERE l.number > q.issued AND l.joined_at < q.at - :skew_seconds * interval '1 second'
UNION ALL
SELECT format('number %s was given at %s, and the queue had counted it at %s', l.number, l.joined_at, q.at)
  FROM lines l JOIN queue_checkpoints q ON q.event_id = :event_id
 WHERE l.number <= q.issued AND NOT l.late AND l.joined_at > q.at + :skew_seconds * interval '1 second'
UNION ALL
SELECT format('numbers %s to %s are in no line of the journal of joins, and no queue was restored that lost them', wanted, number - 1)
  FROM in_a_row WHERE number > wanted
