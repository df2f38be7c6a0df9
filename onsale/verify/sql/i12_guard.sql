-- The triggers that write the history and refuse illegal moves are there and switched on.
SELECT format('the trigger %s on %s is missing or switched off', wanted.name, wanted.place) AS what
  FROM (VALUES ('booking_is_new', 'bookings'), ('booking_moved', 'bookings'), ('append_only', 'booking_history'),
               ('written_by_moves', 'booking_history')) AS wanted (name, place)
 WHERE NOT EXISTS (SELECT FROM pg_trigger t
                    WHERE t.tgname = wanted.name AND t.tgrelid = wanted.place::regclass AND t.tgenabled IN ('O', 'A'))
