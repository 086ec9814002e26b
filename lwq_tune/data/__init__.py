"""Image sets: finds, checks and decodes them, splits them, and yields batches.

Start at `loading.load_dataset`, and `hub_folder.open_hub_folder` for what people have.

- batches: Batches, augmentation and normalisation as operations on whole batches.
- catalog: Describes data sets and counts their images, without loading one. No torch.
- decoded_cache: Decoded data sets on this node's disk, so that its processes share one copy in the page cache.
- decoded_images: A whole data set as arrays.
- decoding: One encoded image to 8-bit RGB pixels, exactly or not at all. No torch.
- hub_folder: Folders in Hugging Face Hub layout: their columns, their labels, their images. No torch.
- hub_images: All images of a folder in Hub layout, decoded and checked.
- hub_layout: Which Parquet files of a folder are its training images, and which its test images.
- image_format: `ImageFormat`: what a network must know of the images of a data set. No torch.
- images: Image sets in memory.
- labels: Labels of any values to classes 0 to k-1. No torch.
- loading: Load a data set by name or folder; each source has its own function.
- preparation: Prepares a data set before the first trial.
- split: The validation split.
"""
