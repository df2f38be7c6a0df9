-- What the sale log says of a draw, since it was last announced anew: a seed that was withdrawn says nothing of the next.
SELECT kind, body FROM sale_log
 WHERE event_id = :event_id
   AND kind IN ('draw_announced', 'draw_entries_closed', 'draw_beacon', 'draw_held')
   AND seq > coalesce((SELECT max(seq) FROM sale_log WHERE event_id = :event_id AND kind = 'draw_withdrawn'), 0)
   AND NOT (kind = 'draw_announced' AND seq < (SELECT max(seq) FROM sale_log
                                                WHERE event_id = :event_id AND kind = 'draw_announced'))
 ORDER BY seq
