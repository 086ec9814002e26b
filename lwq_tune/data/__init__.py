"""Image sets: finds, checks and decodes them, splits them, and yields batches.

Start at `loading.load_dataset`, and `catalog.open_folder` for what people have.

- address: Addresses of data sets: a built-in name or a folder, with choices behind it. No torch.
- batches: Batches, augmentation and normalisation as operations on whole batches.
- builtin: The data sets that are known by a name: their images, their classes, how many there are. No torch.
- catalog: Describes data sets and counts their images, without loading one. No torch.
- decoded_cache: Decoded data sets on this node's disk, so that its processes share one copy in the page cache.
- decoded_images: A whole data set as arrays.
- decoding: One encoded image to 8-bit pixels, gray or RGB, exactly or not at all. No torch.
- images: Image sets in memory.
- labels: Labels of any values to classes 0 to k-1. No torch.
- loading: Load a data set by name or folder; each source has its own function.
- preparation: Prepares a data set before the first trial.
- split: The validation split.
- folders/: Data sets of people: folders of Parquet files or of image files, found, described and decoded.
"""
