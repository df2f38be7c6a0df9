// What the queue page says of wait and chances, as web/pages/queue_words.py says it.

const CAUSES = {
  paused: 'The organiser paused the queue',
  organiser: 'The organiser lets people in more slowly',
  stopped: 'The organiser lets nobody in for now',
  faster: 'The organiser lets people in faster',
  checkout: 'People take longer to choose and pay',
  returns: 'People whose turn had passed came back, and take half of the turns',
  tickets: 'As many are choosing as there are tickets free',
  present: 'Fewer of those ahead are away than it looked',
  recovered: 'The queue was restored after a fault',
  slower: 'Fewer come in than the rate allows',
};
const ODDS = {
  very_likely: 'very likely',
  likely: 'likely',
  unlikely: 'unlikely',
  none_left: 'none left for your number',
};

export const ROUGH = 'Few have finished yet, so how long people stay inside is an estimate: the wait may still change.';

const clock = (moment) => new Date(moment).toISOString().slice(11, 16);

export function causeWords(wait) {
  return wait?.cause ? `${CAUSES[wait.cause] ?? 'The wait is longer'} (since ${clock(wait.since)} UTC).` : '';
}

export function oddsWords(odds, held) {
  if (!odds) return 'not known yet';
  return ODDS[odds] + (odds === 'none_left' && held ? ', some are held and may come back' : '');
}

export const soldOutWords = (section) => `${section.name} sold out at ${clock(section.sold_out_at)} UTC.`;
