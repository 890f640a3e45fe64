/* Reads a header that -sl micro wrote, as a program on a board would: size, checksum, names. */
#include HEADER
#include <stdio.h>

static uint32_t crc32(const uint8_t *bytes, uint32_t size) {
  uint32_t crc = 0xffffffffu;
  for (uint32_t i = 0; i < size; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
  }
  return ~crc;
}

int main(void) {
  uint32_t seen = crc32(play_bach_model, PLAY_BACH_MODEL_SIZE), named = 0;
  printf("%u bytes, crc32 %08x, %s\n", (unsigned)sizeof play_bach_model, (unsigned)seen,
         seen == PLAY_BACH_MODEL_CRC32 ? "as promised" : "damaged");
  for (uint32_t i = 0; i < PLAY_BACH_MODEL_SIZE; i++) printf("%02x", play_bach_model[i]);
  printf("\n");
  for (int field = 0; field < PLAY_BACH_FIELDS; field++) named += play_bach_field_sizes[field];
  for (uint32_t i = 0; i < PLAY_BACH_SYMBOLS; i++) printf("%s\n", play_bach_symbols[i]);
  return named != PLAY_BACH_SYMBOLS || play_bach_model[4] != 'T';
}
