import { duration, flag, integer, list, section, text } from '../fields.js'
import { isHttpUrl } from './common.js'

const url = { allowed: 'a URL that starts with http:// or https://', accepts: isHttpUrl }

const turn = section('Relays for voice and video calls (a TURN server such as coturn).', {
  turn_user_lifetime: duration('', 'How long the credentials given to a client are good, such as 1h (else 24h).', {
    sample: '1h',
  }),
  turn_uris: list(text('', 'A URI.'), [], 'Such as "turn:turn.example.com?transport=udp".'),
  turn_shared_secret: text('', 'The secret shared with the TURN server (static-auth-secret); or give the next two.', {
    secret: true,
  }),
  turn_username: text('', 'One fixed user.'),
  turn_password: text('', 'Its password.', { secret: true }),
})

const rateLimiting = section('Protection against floods. Administrators and application services are exempt.', {
  enabled: flag(true, 'Limit requests.'),
  threshold: integer(5, 'This many requests at once are let through.', { min: 1, sample: 20 }),
  cooloff_ms: integer(500, 'After that one request per this many milliseconds.', { min: 1 }),
  exempt_user_ids: list(text('', 'A user.'), [], 'Users without limits, such as "@bot:example.com".'),
})

/** Section `client_api`. */
export const clientApiSection = section('What clients are allowed.', {
  registration_disabled: flag(
    true,
    `Nobody can register. Accounts are then made with create-account. When false and nothing stands in front of
registration, the server starts only with -really-enable-open-registration.`,
  ),
  registration_requires_token: flag(false, 'Registering takes a token from an administrator.'),
  registration_shared_secret: text('', 'Who knows it can make accounts, administrators too. Empty: nobody.', {
    secret: true,
  }),
  guests_disabled: flag(false, 'No guest accounts.', { sample: true }),
  enable_registration_captcha: flag(false, 'Registering takes a captcha (reCAPTCHA or hCaptcha).'),
  recaptcha_public_key: text('', 'The site key.'),
  recaptcha_private_key: text('', 'The secret key.', { secret: true }),
  recaptcha_bypass_secret: text('', 'Who knows it needs no captcha.', { secret: true }),
  recaptcha_siteverify_api: text('https://www.google.com/recaptcha/api/siteverify', 'Where answers are checked.', url),
  recaptcha_api_js_url: text('https://www.google.com/recaptcha/api.js', 'The script of the page.', url),
  recaptcha_form_field: text('g-recaptcha-response', 'The field of the form.'),
  recaptcha_sitekey_class: text('g-recaptcha', 'The class of the page element.'),
  turn,
  rate_limiting: rateLimiting,
})
