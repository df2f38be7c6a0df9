// Stands in for Stripe.js, with the calls of it that the page makes. It also loads what the real one loads, so that a
// policy which is too strict is seen: a frame of its own, one of the bank's, and a call of the API.
window.asked = [];
window.Stripe = (key) => {
    window.asked.push({ key });
    return {
        elements(options) {
            window.asked.push({ options });
            return {
                create(kind) {
                    const heard = {};
                    return {
                        on: (what, tell) => { heard[what] = tell; },
                        async mount(where) {
                            window.asked.push({ kind, where });
                            const frames = ['https://js.stripe.com/frame.html', 'https://hooks.stripe.com/bank.html'].map((address) => {
                                const frame = document.createElement('iframe');
                                frame.title = 'Card';
                                frame.src = address;
                                document.querySelector(where).append(frame);
                                return new Promise((done) => { frame.onload = done; });
                            });
                            await Promise.all([...frames, fetch('https://api.stripe.com/v1/elements')]);
                            heard.ready();
                        },
                    };
                },
                submit: async () => (window.problem ? { error: { message: window.problem } } : {}),
            };
        },
        async createPaymentMethod({ elements }) {
            window.asked.push({ made: Boolean(elements) });
            return { paymentMethod: { id: window.card ?? 'pm_card_visa' } };
        },
    };
};
