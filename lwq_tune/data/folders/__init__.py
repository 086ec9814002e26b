"""Data sets of people: folders of Parquet files as the Hub has them, or of image files in one folder per class.

Start at `lwq_tune.data.catalog.open_folder`, which finds the layout, and `image_folder`, what all layouts share.

- class_folder: Folders of image files in one folder per class. No torch.
- folder_images: All images of a folder, decoded and checked.
- hub_folder: Folders in Hugging Face Hub layout: their columns, their labels, their images. No torch.
- hub_layout: Which Parquet files of a folder are its training images, and which its test images.
- image_folder: What folders of images have in common, whatever their layout. No torch.
"""
