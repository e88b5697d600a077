/* Datasets within the store: as items of the queue, and into the file. */
#ifndef MG_STORE_DATASET_ROW_H
#define MG_STORE_DATASET_ROW_H

#include "store/dataset.h"
#include "store/writer.h"

/** Insert it, or complete the row of its session. Within a transaction. */
int store__write_dataset(struct store_writer *writer,
                         const struct store_item *item, struct mg_err *err);

#endif
