import { z } from 'zod'

/** Event types and the like in a filter: a list of strings, where `null` is as good as absent. */
const strings = z.array(z.string()).nullish()
const limit = z.number().int().nonnegative().nullish()

const eventFilter = z.looseObject({
  limit,
  types: strings,
  not_types: strings,
  senders: strings,
  not_senders: strings,
})

/** RoomEventFilter, which `/messages` and `/context` take by itself. */
export const roomEventFilter = eventFilter.extend({
  rooms: strings,
  not_rooms: strings,
  lazy_load_members: z.boolean().nullish(),
  include_redundant_members: z.boolean().nullish(),
  unread_thread_notifications: z.boolean().nullish(),
  contains_url: z.boolean().nullish(),
  related_by_rel_types: strings,
  related_by_senders: strings,
})

/** The filter of `/sync` (CS "Filtering"); members it does not know are kept. */
export const filterSchema = z.looseObject({
  event_fields: strings,
  event_format: z.enum(['client', 'federation']).nullish(),
  presence: eventFilter.nullish(),
  account_data: eventFilter.nullish(),
  room: z
    .looseObject({
      rooms: strings,
      not_rooms: strings,
      include_leave: z.boolean().nullish(),
      ephemeral: roomEventFilter.nullish(),
      state: roomEventFilter.nullish(),
      timeline: roomEventFilter.nullish(),
      account_data: roomEventFilter.nullish(),
    })
    .nullish(),
})
