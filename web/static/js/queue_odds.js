// The chances that a ticket is left at this number's turn; the same rules as queue/odds.py.

const HELD_PAID = 0.9;
const UNSURE = 0.1;
const UNSURE_PRIOR = 0.35;
const VERY_LIKELY = 0.93;
const LIKELY = 0.45;

// very_likely, likely, unlikely, none_left; null where nobody knows what is left, or is let in any more.
export function odds(ahead, status) {
  const { free, held, odds: known } = status;
  if (status.phase === 'closed' || free === null || held === null || !known) return null;
  if (free <= 0) return 'none_left';
  const each = Math.max(1, known.tickets_per_buyer);
  const buys = known.buys_percent / 100;
  const deciding = known.choosing + (ahead * known.present_percent) / 100;
  const wanted = deciding * buys * each;
  const left = free + (1 - HELD_PAID) * held - wanted - 1;
  const seen = known.seen_percent / 100;
  const unsure = wanted * (UNSURE * seen + UNSURE_PRIOR * (1 - seen));
  const spread = Math.sqrt(deciding * buys * each * each * (1.25 - buys) + unsure * unsure + 0.25);
  const chance = 1 / (1 + Math.exp(Math.max(-40, Math.min(40, (-1.702 * left) / spread))));
  if (chance >= VERY_LIKELY) return 'very_likely';
  return chance >= LIKELY ? 'likely' : 'unlikely';
}
