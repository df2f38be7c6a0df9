-- For each weight of a draw: of how many people at most it is, by what is published and by the sale log, and how many have it.
-- Raw: three sides of which each may be missing.
WITH had AS (
    SELECT weight, count(*) AS people FROM draw_lots
     WHERE event_id = :event_id AND first_number IS NOT NULL GROUP BY weight
), logged AS (
    SELECT CAST(body ->> 'weight' AS integer) AS weight, max(CAST(body ->> 'people_max' AS bigint)) AS people_max
      FROM sale_log WHERE event_id = :event_id AND kind = 'draw_weights_published' GROUP BY 1
), published AS (
    SELECT weight, people_max FROM draw_weights WHERE event_id = :event_id
)
SELECT weight, coalesce(had.people, 0) AS people, coalesce(published.people_max, 0) AS published,
       coalesce(logged.people_max, 0) AS logged
  FROM published FULL JOIN logged USING (weight) FULL JOIN had USING (weight)
 ORDER BY weight
