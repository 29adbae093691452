"""Training of the models that ship with lscube: on chips whose image before was filled, and on simulated twins.

`filling` makes the missing image; `stock` puts patches of both kinds into arrays; `recipe` draws what a
batch is made of; `bank` makes the batch, on the accelerator; `season` and `sky` change its images;
`schooling` trains.
"""
